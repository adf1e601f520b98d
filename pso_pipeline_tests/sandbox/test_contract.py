"""What the server answers, status by status, over real HTTP."""

import json
from email.utils import parsedate_to_datetime

import httpx
import pytest

from pso_pipeline.sandbox.clock import Clock
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve
from pso_pipeline_tests.fakes.specification import EXAMPLE_REQUEST, EXAMPLE_RESPONSE, specification_world

ENTERPRISES, SERVICES, ORDERS = "enterprises/getAll", "services/getAll", "productServiceOrders/getAll"
UNKNOWN_ID = "7f3a1d52-2f5c-4ac0-9c2e-52c1f2f3a4b5"
NOW = "2026-05-01T12:00:00Z"


@pytest.fixture(scope="module")
def sandbox():
    world = ScriptedWorld(clock=Clock(frozen_at=NOW))
    hotel, other = world.add_enterprise(Name="A", ExternalIdentifier="A-1"), world.add_enterprise(Name="B")
    breakfast = world.add_service(hotel)
    world.add_service(hotel, kind="Bookable", Name="Stay")
    world.add_order(breakfast, State="Confirmed", LinkedReservationId=UNKNOWN_ID.replace("7", "8"))
    world.add_order(world.add_service(other))
    world.grant("only-a", [hotel])
    with serve(world, requests_per_window=None) as running:
        yield running


@pytest.fixture
def api(sandbox, connect):
    return connect(sandbox)


@pytest.fixture
def service_ids(sandbox):
    return [service["Id"] for service in sandbox.world.snapshot(NOW).services]


def test_the_specification_example_answers_as_printed():
    with serve(specification_world()) as sandbox:
        answer = httpx.post(f"{sandbox.address}/api/connector/v1/productServiceOrders/getAll", json=EXAMPLE_REQUEST)
    assert answer.status_code == 200
    assert answer.json() == EXAMPLE_RESPONSE


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/connector/v1/services/getAll"),
        ("PUT", "/api/connector/v1/services/getAll"),
        ("POST", "/api/connector/v1/services/getAll/"),
        ("POST", "/api/connector/v1/Services/getAll"),
        ("POST", "/api/connector/v1/services/getall"),
        ("POST", "/api/connector/v2/services/getAll"),
        ("POST", "/"),
        ("GET", "/control/requests"),
    ],
)
def test_any_other_address_or_method_is_not_found(api, method, path):
    answer = api.http.request(method, api.sandbox.address + path, json=api.body())
    assert answer.status_code == 404
    assert set(answer.json()) == {"Message", "RequestId", "Details"}


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"text"', b"null", b"\xff", b'{"a": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(api, raw):
    answer = api.http.post(api.url(SERVICES), content=raw, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["Message"]) == (400, "Invalid JSON")


def test_another_content_type_is_refused(api):
    answer = api.http.post(api.url(SERVICES), content=json.dumps(api.body()))
    assert (answer.status_code, answer.json()["Message"]) == (400, "Invalid Content-Type")


@pytest.mark.parametrize("name", ["ClientToken", "AccessToken", "Client"])
@pytest.mark.parametrize("value", [None, "", 7])
def test_tokens_and_client_are_required(api, name, value):
    answer = api.post(SERVICES, **{name: value})
    assert (answer.status_code, answer.json()["Message"]) == (400, f"Invalid {name}")


@pytest.mark.parametrize("name", ["ClientToken", "AccessToken"])
def test_a_wrong_token_is_refused(api, name):
    answer = api.post(SERVICES, **{name: "wrong"})
    assert answer.status_code == 401
    assert answer.json()["RequestId"] == answer.headers["Request-Id"]


def test_a_revoked_token_is_refused_from_then_on(connect):
    world = ScriptedWorld()
    world.grant("short-lived")
    with serve(world) as sandbox:
        api = connect(sandbox, "short-lived")
        assert api.post(ENTERPRISES).status_code == 200
        world.revoke("short-lived")
        assert api.post(ENTERPRISES).status_code == 401


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ServiceIds": None}, "Invalid ServiceIds"),
        ({"ServiceIds": []}, "Invalid ServiceIds"),
        ({"ServiceIds": "text"}, "Invalid ServiceIds"),
        ({"ServiceIds": [7]}, "Invalid ServiceIds"),
        ({"ServiceIds": ["not-a-uuid"]}, "Invalid ServiceIds"),
        ({"ServiceIds": [UNKNOWN_ID]}, "Invalid ServiceIds"),
        ({"ServiceIds": [f"{number:08x}-0000-4000-8000-000000000002" for number in range(1001)]}, "Invalid ServiceIds"),
        ({"EnterpriseIds": [UNKNOWN_ID]}, "Invalid EnterpriseIds"),
        ({"EnterpriseIds": []}, "Invalid EnterpriseIds"),
        ({"ProductServiceOrderIds": [UNKNOWN_ID]}, "Invalid ProductServiceOrderIds"),
        ({"ProductServiceOrderIds": ["x"]}, "Invalid ProductServiceOrderIds"),
        ({"AccountIds": [UNKNOWN_ID]}, "Invalid AccountIds"),
        ({"LinkedReservationIds": [UNKNOWN_ID]}, "Invalid LinkedReservationIds"),
        ({"States": ["Sleeping"]}, "Invalid States"),
        ({"States": "Confirmed"}, "Invalid States"),
        ({"UpdatedUtc": "2026-01-01T00:00:00Z"}, "Invalid UpdatedUtc"),
        ({"UpdatedUtc": {"StartUtc": "2026-01-01T00:00:00Z"}}, "Invalid UpdatedUtc"),
        ({"UpdatedUtc": {"StartUtc": "2026-01-01", "EndUtc": "2026-01-02"}}, "Invalid UpdatedUtc"),
        (
            {"UpdatedUtc": {"StartUtc": "2026-01-01T00:00:00.5Z", "EndUtc": "2026-01-02T00:00:00Z"}},
            "Invalid UpdatedUtc",
        ),
        (
            {"UpdatedUtc": {"StartUtc": "2026-01-01T00:00:00+00:00", "EndUtc": "2026-01-02T00:00:00Z"}},
            "Invalid UpdatedUtc",
        ),
        ({"UpdatedUtc": {"StartUtc": "2026-01-32T00:00:00Z", "EndUtc": "2026-02-02T00:00:00Z"}}, "Invalid UpdatedUtc"),
        ({"UpdatedUtc": {"StartUtc": "2026-01-01T00:00:01Z", "EndUtc": "2026-01-01T00:00:00Z"}}, "Invalid UpdatedUtc"),
        ({"UpdatedUtc": {"StartUtc": "2026-01-31T00:00:00Z", "EndUtc": "2026-04-30T00:00:01Z"}}, "Invalid UpdatedUtc"),
        ({"Limitation": None}, "Invalid Limitation"),
        ({"Limitation": 5}, "Invalid Limitation"),
        ({"Limitation": {}}, "Invalid Limitation.Count"),
        ({"Limitation": {"Count": 0}}, "Invalid Limitation.Count"),
        ({"Limitation": {"Count": 1001}}, "Invalid Limitation.Count"),
        ({"Limitation": {"Count": "10"}}, "Invalid Limitation.Count"),
        ({"Limitation": {"Count": True}}, "Invalid Limitation.Count"),
        ({"Limitation": {"Count": 10, "Cursor": 5}}, "Invalid Limitation.Cursor"),
        ({"Limitation": {"Count": 10, "Cursor": "x"}}, "Invalid Limitation.Cursor"),
        ({"Limitation": {"Count": 10, "Cursor": UNKNOWN_ID}}, "Invalid Limitation.Cursor"),
    ],
)
def test_a_wrong_parameter_of_orders_is_named(api, service_ids, parameters, message):
    answer = api.post(ORDERS, **({"ServiceIds": service_ids} | parameters))
    assert (answer.status_code, answer.json()["Message"]) == (400, message)


@pytest.mark.parametrize(
    ("operation", "parameters", "message"),
    [
        (ENTERPRISES, {"EnterpriseIds": [UNKNOWN_ID]}, "Invalid EnterpriseIds"),
        (ENTERPRISES, {"ExternalIdentifiers": [1]}, "Invalid ExternalIdentifiers"),
        (ENTERPRISES, {"LinkedUtc": 1}, "Invalid LinkedUtc"),
        (ENTERPRISES, {"Limitation": None}, "Invalid Limitation"),
        (ENTERPRISES, {"Limitation": {"Count": 1, "Cursor": UNKNOWN_ID}}, "Invalid Limitation.Cursor"),
        (SERVICES, {"EnterpriseIds": [UNKNOWN_ID]}, "Invalid EnterpriseIds"),
        (SERVICES, {"ServiceIds": [UNKNOWN_ID]}, "Invalid ServiceIds"),
        (SERVICES, {"ServiceType": "Rentable"}, "Invalid ServiceType"),
        (SERVICES, {"UpdatedUtc": {}}, "Invalid UpdatedUtc"),
        (SERVICES, {"Limitation": {"Count": 1, "Cursor": UNKNOWN_ID}}, "Invalid Limitation.Cursor"),
    ],
)
def test_a_wrong_parameter_of_the_other_operations_is_named(api, operation, parameters, message):
    answer = api.post(operation, **parameters)
    assert (answer.status_code, answer.json()["Message"]) == (400, message)


def test_exactly_three_calendar_months_are_allowed(api, service_ids):
    for start, end in (("2026-01-31", "2026-04-30"), ("2025-11-30", "2026-02-28"), ("2026-02-01", "2026-05-01")):
        interval = {"StartUtc": f"{start}T00:00:00Z", "EndUtc": f"{end}T00:00:00Z"}
        assert api.post(ORDERS, ServiceIds=service_ids, UpdatedUtc=interval).status_code == 200


def test_what_lies_outside_the_scope_does_not_exist(sandbox, connect):
    api = connect(sandbox, "only-a")
    everything = sandbox.world.snapshot(NOW)
    (inside,) = api.walk(ENTERPRISES)
    assert inside["Name"] == "A"
    outside = [service for service in everything.services if service["EnterpriseId"] != inside["Id"]]
    foreign_orders = [order for order in everything.orders if order["ServiceId"] == outside[0]["Id"]]
    own = [service["Id"] for service in api.walk(SERVICES)]
    for parameters, message in (
        ({"ServiceIds": [*own, outside[0]["Id"]]}, "Invalid ServiceIds"),
        ({"ServiceIds": own, "EnterpriseIds": [outside[0]["EnterpriseId"]]}, "Invalid EnterpriseIds"),
        ({"ServiceIds": own, "ProductServiceOrderIds": [foreign_orders[0]["Id"]]}, "Invalid ProductServiceOrderIds"),
        (
            {"ServiceIds": own, "Limitation": {"Count": 5, "Cursor": foreign_orders[0]["Id"]}},
            "Invalid Limitation.Cursor",
        ),
    ):
        answer = api.post(ORDERS, **parameters)
        assert (answer.status_code, answer.json()["Message"]) == (400, message)


def test_filters_of_enterprises_and_services(api):
    (found,) = api.walk(ENTERPRISES, ExternalIdentifiers=["A-1", "unheard of"])
    assert found["Name"] == "A"
    assert api.walk(ENTERPRISES, LinkedUtc={"StartUtc": "2020-01-01T00:00:00Z", "EndUtc": "2020-01-01T00:00:00Z"})
    assert not api.walk(ENTERPRISES, UpdatedUtc={"StartUtc": "2020-01-01T00:00:01Z", "EndUtc": "2020-02-01T00:00:00Z"})
    (bookable,) = api.walk(SERVICES, ServiceType="Bookable")
    assert bookable["Name"] == "Stay"
    assert [one["Id"] for one in api.walk(SERVICES, ServiceIds=[bookable["Id"].upper()])] == [bookable["Id"]]
    assert len(api.walk(SERVICES, EnterpriseIds=[found["Id"]])) == 2


def test_unknown_request_fields_and_nulls_are_ignored(api, service_ids):
    nulls = dict.fromkeys(("EnterpriseIds", "AccountIds", "UpdatedUtc", "States", "LinkedReservationIds"))
    answer = api.post(ORDERS, ServiceIds=service_ids, Whatever={"deep": [1]}, **nulls)
    assert len(answer.json()["ProductServiceOrders"]) == 2


def test_every_answer_carries_its_request_id_and_the_servers_date(api, service_ids):
    answers = [
        api.post(ORDERS, ServiceIds=service_ids),
        api.post(ORDERS),
        api.post(ORDERS, AccessToken="wrong"),
        api.http.get(api.sandbox.address),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 401, 404]
    assert len({answer.headers["Request-Id"] for answer in answers}) == 4
    assert {parsedate_to_datetime(answer.headers["Date"]).isoformat() for answer in answers} == {
        "2026-05-01T12:00:00+00:00"
    }


def test_an_empty_page_has_no_body_only_with_the_prefer_header(api, service_ids):
    nothing = {"ServiceIds": service_ids, "States": ["Optional"]}
    plain = api.post(ORDERS, **nothing)
    assert (plain.status_code, plain.json()) == (200, {"ProductServiceOrders": [], "Cursor": None})
    minimal = api.post(ORDERS, headers={"Prefer": "respond-async, return=minimal"}, **nothing)
    assert (minimal.status_code, minimal.content) == (204, b"")
    full = api.post(ORDERS, headers={"Prefer": "return=minimal"}, ServiceIds=service_ids)
    assert full.status_code == 200


def test_a_request_body_that_is_too_large_is_refused(connect):
    with serve(ScriptedWorld(), max_body_bytes=500) as sandbox:
        api = connect(sandbox)
        assert api.post(ENTERPRISES).status_code == 200
        answer = api.post(ENTERPRISES, Padding="x" * 500)
        assert answer.status_code == 413
        assert answer.json()["RequestId"] == answer.headers["Request-Id"]


def test_the_clock_can_be_shifted_and_frozen(connect):
    with serve(ScriptedWorld(clock=Clock(frozen_at="2026-02-28T23:59:59Z"))) as sandbox:
        api = connect(sandbox)
        sandbox.clock.advance(2)
        assert api.post(ENTERPRISES).headers["Date"] == "Sun, 01 Mar 2026 00:00:01 GMT"
        sandbox.clock.freeze("2030-01-01T00:00:00Z")
        assert api.post(ENTERPRISES).headers["Date"] == "Tue, 01 Jan 2030 00:00:00 GMT"
