"""What fails, fails alone: everything else lands, and the failed are named with the reason."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pso_pipeline.ingestion import fetch
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline_tests.fakes.faults import (
    Answer,
    Disconnect,
    Garble,
    count_over,
    ids_over,
    interval_over,
    not_json,
    too_many_requests,
)
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.ingestion.conftest import HURRIED
from pso_pipeline_tests.truth import expected_rows, landed_rows

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDERS = "productServiceOrders/getAll"
LIST = "ProductServiceOrders"


@pytest.fixture
def world():
    return ScriptedWorld(clock=Clock(frozen_at=NOON))


@pytest.fixture
def two_hotels(world):
    """Two hotels with a service and three orders each."""
    hotels = [world.add_enterprise(Name=name) for name in ("Astoria", "Bristol")]
    services = [world.add_service(hotel) for hotel in hotels]
    for service in services:
        for _ in range(3):
            world.add_order(service)
    return hotels, services


def assert_equals_source(pipeline):
    truth = pipeline.world.snapshot(pipeline.world.clock.now())
    with pipeline.warehouse.open() as connection:
        assert landed_rows(connection) == expected_rows(truth.orders, truth.services)


def errors(report):
    return {outcome.name: outcome.error for outcome in report.enterprises}


def last_errors(pipeline):
    return pipeline.query("SELECT last_error FROM mews.sync_state ORDER BY scope_id")


@pytest.mark.parametrize(
    "fault",
    [
        Answer(500),
        Answer(503, b"down"),
        not_json(),
        not_json(502),
        Disconnect(),
        Disconnect(after_bytes=40),
        Garble(lambda body: body[: len(body) // 2]),
        too_many_requests(0),
        too_many_requests(NOON),
        too_many_requests(),
    ],
    ids=["500", "503", "not-json", "502-not-json", "disconnect", "cut", "half-a-body", "429", "429-date", "429-bare"],
)
def test_a_passing_fault_is_ridden_out(pipeline, two_hotels, fault):
    pipeline.sandbox.faults.add(fault, operation=ORDERS, times=2)
    report = pipeline.refresh()
    assert report.failed == ()
    assert pipeline.sandbox.faults.outstanding == 0
    assert_equals_source(pipeline)


def test_a_lasting_fault_fails_the_hotel_with_the_request_id_and_mends_itself(pipeline, two_hotels):
    _, (first, _) = two_hotels
    pipeline.sandbox.faults.add(
        Answer(500), operation=ORDERS, when=lambda body: first["Id"] in body["ServiceIds"], times=None
    )
    report = pipeline.refresh()
    assert errors(report)["Bristol"] is None
    request_ids = {request.request_id for request in pipeline.order_requests() if request.status == 500}
    assert any(request_id in errors(report)["Astoria"] for request_id in request_ids)
    pipeline.sandbox.faults.clear()
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline)
    assert last_errors(pipeline) == [(None,), (None,)]


def test_one_service_answering_400_does_not_hold_the_others_up(pipeline, world, two_hotels):
    hotels, services = two_hotels
    more = [world.add_service(hotels[0]) for _ in range(7)]
    for service in more:
        world.add_order(service)
    pipeline.refresh()
    world.clock.advance(3600)
    world.refuse_service(more[2])
    for service in (*services, more[3]):
        world.add_order(service)
    report = pipeline.refresh()
    assert [outcome.name for outcome in report.failed] == ["Astoria"]
    assert "RequestId" in report.failed[0].error
    assert_equals_source(pipeline)
    failed = pipeline.query("SELECT scope_id FROM mews.sync_state WHERE last_error IS NOT NULL")
    assert failed == [(more[2]["Id"],)]


def test_a_failed_service_keeps_its_watermark_until_it_can_be_read(pipeline, world, two_hotels):
    _, (first, _) = two_hotels
    pipeline.refresh()
    world.clock.advance(200 * 86400)
    world.add_order(first)
    pipeline.sandbox.faults.add(
        Answer(400), operation=ORDERS, times=None, when=lambda body: first["Id"] in body["ServiceIds"]
    )
    pipeline.refresh()
    pipeline.sandbox.faults.clear()
    world.clock.advance(86400)
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline)


def test_a_revoked_token_fails_its_hotels_alone(pipeline, world, two_hotels, monkeypatch):
    (astoria, bristol), (first, second) = two_hotels
    world.grant("one", [astoria])
    world.grant("two", [bristol])
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "one,two")
    pipeline.settings = type(pipeline.settings).load()
    assert pipeline.refresh().failed == ()
    world.revoke("one")
    world.clock.advance(60)
    world.add_order(first)
    world.add_order(second)
    pipeline.sandbox.requests.clear()
    report = pipeline.refresh()
    assert [outcome.name for outcome in report.failed] == ["Astoria"]
    assert "401" in report.failed[0].error
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders") == [(7,)]
    assert pipeline.query("SELECT bool_and(is_in_scope) FROM mews.enterprises") == [(True,)]
    refused = [request for request in pipeline.sandbox.requests if request.status == 401]
    assert len(refused) <= 2
    world.grant("one", [astoria])
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline)


def test_a_token_revoked_during_the_refresh_is_not_used_again(pipeline, world):
    for number in range(20):
        world.add_order(world.add_service(world.add_enterprise(Name=f"Hotel {number}")))
    pipeline.sandbox.faults.add(Answer(401), operation=ORDERS, times=None)
    report = pipeline.refresh()
    assert len(report.failed) == 20
    assert len(pipeline.order_requests()) <= 8


def test_a_hotel_out_of_scope_is_marked_and_its_history_stays(pipeline, world, two_hotels):
    (astoria, bristol), _ = two_hotels
    pipeline.refresh()
    world.grant(world.access_token, [bristol])
    report = pipeline.refresh()
    assert [outcome.name for outcome in report.enterprises] == ["Bristol"]
    assert report.failed == ()
    assert pipeline.query("SELECT name, is_in_scope FROM mews.enterprises ORDER BY name") == [
        ("Astoria", False),
        ("Bristol", True),
    ]
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders") == [(6,)]
    asked = pipeline.refresh(only=[astoria["Id"]])
    assert "MEWS_ACCESS_TOKENS" in asked.failed[0].error


def test_a_list_that_cannot_be_read_is_not_an_empty_one(pipeline, world, two_hotels):
    pipeline.refresh()
    pipeline.sandbox.faults.add(Answer(500), operation="enterprises/getAll", times=None)
    report = pipeline.refresh()
    assert len(report.failed) == 2
    assert pipeline.query("SELECT bool_and(is_in_scope) FROM mews.enterprises") == [(True,)]


def test_a_rotated_token_goes_on_where_the_old_one_stopped(pipeline, world, two_hotels, monkeypatch):
    pipeline.refresh()
    world.clock.advance(60)
    world.add_order(two_hotels[1][0])
    world.revoke(world.access_token)
    world.grant("rotated")
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "rotated")
    pipeline.settings = type(pipeline.settings).load()
    pipeline.sandbox.requests.clear()
    assert pipeline.refresh().failed == ()
    assert all("UpdatedUtc" in request.body for request in pipeline.order_requests())
    assert_equals_source(pipeline)


def test_too_heavy_a_page_is_asked_for_smaller(pipeline, world, two_hotels):
    for _ in range(60):
        world.add_order(two_hotels[1][0])
    pipeline.sandbox.faults.add(Answer(408), operation=ORDERS, when=count_over(20), times=None)
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline)


def test_too_heavy_an_interval_is_asked_for_shorter(pipeline, world, two_hotels):
    pipeline.refresh()
    world.clock.advance(86400)
    world.add_order(two_hotels[1][0])
    pipeline.sandbox.faults.add(Answer(408), operation=ORDERS, when=interval_over(timedelta(hours=4)), times=None)
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline)


def test_too_large_a_request_is_asked_for_with_fewer_ids(pipeline, world, two_hotels):
    hotels, _ = two_hotels
    for _ in range(20):
        world.add_order(world.add_service(hotels[0]))
    pipeline.sandbox.faults.add(Answer(413), operation=ORDERS, when=ids_over(4), times=None)
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline)


@pytest.mark.stores("file", "lake", "s3")
def test_records_that_cannot_be_read_are_kept_and_the_rest_lands(pipeline, world, two_hotels):
    _, (service, _) = two_hotels
    for broken in (
        "not an object",
        {"Id": None},
        {"Id": "x", "ServiceId": service["Id"], "CreatedUtc": "yesterday"},
        7,
    ):
        world.add_malformed_order(service, broken, at=NOON)
    report = pipeline.refresh()
    assert report.failed == ()
    assert report.rejected == 4
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders") == [(6,)]
    kept = pipeline.query("SELECT operation, record, reason FROM mews.rejected_records ORDER BY ALL")
    assert {record for _, record, _ in kept} >= {'"not an object"', "7"}
    assert all(operation == ORDERS and reason for operation, _, reason in kept)
    assert pipeline.refresh().rejected == 4, "they were read again"
    assert len(pipeline.query("FROM mews.rejected_records")) == 4


def test_a_cursor_that_is_refused_starts_the_walk_from_the_top(pipeline, world, two_hotels, monkeypatch):
    monkeypatch.setattr(fetch, "PAGE_SIZE", 2)
    pipeline.sandbox.faults.add(
        Answer(400), operation=ORDERS, when=lambda body: body["Limitation"].get("Cursor") is not None, times=2
    )
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline)


def test_a_hotel_that_leaves_the_scope_between_two_requests_fails_alone(pipeline, world):
    hotels = [world.add_enterprise(Name=f"Hotel {n:02}") for n in range(40)]
    services = [world.add_service(hotel) for _ in range(25) for hotel in hotels]
    pipeline.refresh()
    world.clock.advance(60)
    for service in services:
        world.add_order(service)
    world.after_page(1, lambda: world.grant(world.access_token, hotels[1:]), operation="services/getAll")
    pipeline.sandbox.requests.clear()
    report = pipeline.refresh()
    assert [outcome.name for outcome in report.failed] == ["Hotel 00"]
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders") == [(39 * 25,)]
    assert len(pipeline.order_requests()) < 100


def test_a_token_that_reaches_no_hotel_any_more_is_not_taken_in_silence(pipeline, world, two_hotels):
    pipeline.refresh()
    world.grant(world.access_token, [])
    found = pipeline.discover()
    (reason,) = found.problems
    assert reason.startswith(
        "enterprises/getAll: access token 1 does not list 2 of the 2 hotels that it listed before "
        "(astoria-00000001, bristol-00000002), an implausible loss: they stay in scope."
    )
    assert pipeline.query("SELECT bool_and(is_in_scope) FROM mews.enterprises") == [(True,)]
    world.grant(world.access_token)
    assert pipeline.discover().problems == ()
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline)


def test_duplicate_ids_in_one_page_land_once(pipeline, two_hotels):
    def twice(body):
        answer = json.loads(body)
        older = [order | {"State": "Requested", "UpdatedUtc": "2020-01-01T00:00:00Z"} for order in answer[LIST]]
        return json.dumps(answer | {LIST: [*older, *answer[LIST], *answer[LIST]]}).encode()

    pipeline.sandbox.faults.add(Garble(twice), operation=ORDERS, times=2)
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline)
    assert pipeline.query("SELECT count(*) FROM mews.product_service_order_versions") == [(12,)]


def test_an_order_of_a_service_that_no_list_names_lands_and_finds_its_hotel_later(pipeline, world, two_hotels):
    (astoria, _), _ = two_hotels
    stranger = f"{99:08x}-0000-4000-8000-{2:012x}"
    order = world.add_order(two_hotels[1][0])

    def astray(body):
        return body.replace(json.dumps(order["ServiceId"]).encode(), json.dumps(stranger).encode())

    pipeline.sandbox.faults.add(
        Garble(astray), operation=ORDERS, when=lambda body: order["ServiceId"] in body["ServiceIds"], times=None
    )
    assert pipeline.refresh().failed == ()
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders WHERE enterprise_id IS NULL") == [(4,)]
    world.clock.advance(3600)
    pipeline.refresh()
    pipeline.sandbox.faults.clear()
    world.add_service(astoria, Id=stranger)
    pipeline.refresh()
    query = "SELECT DISTINCT enterprise_id FROM mews.product_service_orders WHERE service_id = $$" + stranger + "$$"
    assert pipeline.query(query) == [(astoria["Id"],)]
    assert pipeline.query(
        "SELECT count(*) FROM mews.superseded_product_service_orders WHERE enterprise_id IS NULL"
    ) == [(0,)]
    assert pipeline.query(f"SELECT revision > 0 FROM mews.sync_state WHERE scope_id = '{stranger}'") == [(True,)]


@pytest.mark.parametrize("retry_after", [1, NOON + timedelta(seconds=1), None], ids=["seconds", "date", "missing"])
def test_while_the_server_answers_429_nothing_but_what_was_under_way_reaches_it(pipeline, world, retry_after):
    """Twenty hotels, eight reads at once: the server refuses everything for a second and counts what still comes."""
    for number in range(20):
        world.add_order(world.add_service(world.add_enterprise(Name=f"Hotel {number}")))
    pipeline.retry_policy = replace(HURRIED, first_backoff=2.0, longest_backoff=2.0)
    refused_since: list[float] = []

    def is_refusing(_body):
        refused_since.append(time.monotonic())
        return refused_since[-1] - refused_since[0] < 0.9

    pipeline.sandbox.faults.add(too_many_requests(retry_after), operation=ORDERS, when=is_refusing, times=None)
    assert pipeline.refresh().failed == ()
    assert 1 <= sum(request.status == 429 for request in pipeline.order_requests()) <= 8
    assert_equals_source(pipeline)


def test_a_server_that_is_down_is_asked_less_and_less(pipeline, world):
    for number in range(60):
        world.add_service(world.add_enterprise(Name=f"Hotel {number}"))
    pipeline.sandbox.faults.add(Answer(503), operation=ORDERS, times=None)
    pipeline.retry_policy = replace(HURRIED, seconds=2.0, first_backoff=0.2, longest_backoff=1.0)
    report = pipeline.refresh()
    assert len(report.failed) == 60
    assert len(pipeline.order_requests()) < 30, "60 hotels and 3 tries each would be 180"


def test_pages_that_were_made_smaller_grow_again(pipeline, world, two_hotels, monkeypatch):
    monkeypatch.setattr(fetch, "PAGE_SIZE", 40)
    for _ in range(600):
        world.add_order(two_hotels[1][0])
    pipeline.sandbox.faults.add(
        Answer(408), operation=ORDERS, when=lambda body: two_hotels[1][0]["Id"] in body["ServiceIds"], times=2
    )
    assert pipeline.refresh().failed == ()
    sizes = [r.body["Limitation"]["Count"] for r in pipeline.order_requests() if r.status == 200]
    assert {10, 20, 40} <= set(sizes)
    assert sizes.count(40) > sizes.count(10)
    assert_equals_source(pipeline)
