"""Faults: the next matching request gets the fault that a test queued."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from pso_pipeline_tests.fakes.faults import (
    Answer,
    Disconnect,
    Garble,
    Hang,
    OtherHeaders,
    ShortPage,
    Slow,
    WithoutDate,
    count_over,
    ids_over,
    interval_over,
    not_json,
    too_many_requests,
)
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve

ENTERPRISES, SERVICES, ORDERS = "enterprises/getAll", "services/getAll", "productServiceOrders/getAll"


@pytest.fixture
def sandbox():
    world = ScriptedWorld()
    world.add_enterprise()
    with serve(world) as running:
        yield running


@pytest.fixture
def api(sandbox, connect):
    return connect(sandbox)


def statuses(api, count, operation=ENTERPRISES):
    return [api.post(operation).status_code for _ in range(count)]


def test_a_fault_happens_as_often_as_queued_and_then_no_more(sandbox, api):
    sandbox.faults.add(Answer(503), times=2)
    assert sandbox.faults.outstanding == 2
    assert statuses(api, 4) == [503, 503, 200, 200]
    assert sandbox.faults.outstanding == 0


def test_faults_happen_in_their_order_one_for_each_request(sandbox, api):
    sandbox.faults.add(Answer(500))
    sandbox.faults.add(Answer(502))
    assert statuses(api, 3) == [500, 502, 200]


def test_a_fault_can_wait_for_the_nth_request_of_an_operation(sandbox, api):
    sandbox.faults.add(Answer(500), operation=SERVICES, skip=1)
    assert statuses(api, 2) == [200, 200]
    assert statuses(api, 3, SERVICES) == [200, 500, 200]


def test_a_lasting_fault_ends_when_cleared(sandbox, api):
    sandbox.faults.add(Answer(500), times=None)
    assert statuses(api, 5) == [500] * 5
    sandbox.faults.clear()
    assert statuses(api, 1) == [200]


def test_an_error_carries_the_usual_body_unless_given_another(sandbox, api):
    sandbox.faults.add(Answer(500))
    sandbox.faults.add(not_json(502))
    usual, other = api.post(ENTERPRISES), api.post(ENTERPRISES)
    assert usual.json()["RequestId"] == usual.headers["Request-Id"]
    assert other.headers["Content-Type"] == "text/html"
    assert other.text.startswith("<html>")


def test_too_many_requests_in_every_spelling(sandbox, api):
    moment = datetime(2026, 5, 1, 12, 0, 5, tzinfo=UTC)
    for retry_after in (7, moment, None):
        sandbox.faults.add(too_many_requests(retry_after))
    answers = [api.post(ENTERPRISES) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {429}
    assert [answer.headers.get("Retry-After") for answer in answers] == ["7", "Fri, 01 May 2026 12:00:05 GMT", None]


def test_a_connection_closed_before_the_answer(sandbox, api):
    sandbox.faults.add(Disconnect())
    with pytest.raises(httpx.RemoteProtocolError):
        api.post(ENTERPRISES)
    assert sandbox.requests[0].status is None
    assert statuses(api, 1) == [200]


@pytest.mark.parametrize("after_bytes", [0, 40])
def test_a_connection_closed_within_the_body(sandbox, api, after_bytes):
    sandbox.faults.add(Disconnect(after_bytes))
    received = b""
    with api.http.stream("POST", api.url(ENTERPRISES), json=api.body()) as answer:
        assert answer.status_code == 200
        parts = answer.iter_raw()
        with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012  # the parts before the break are checked too
            for part in parts:
                received += part
    assert len(received) == after_bytes
    assert statuses(api, 1) == [200]


def test_an_answer_that_never_comes(sandbox, api):
    sandbox.faults.add(Hang())
    with pytest.raises(httpx.ReadTimeout):
        api.http.post(api.url(ENTERPRISES), json=api.body(), timeout=0.05)
    assert [request.status for request in sandbox.requests] == [None]


def test_the_server_stops_while_a_request_hangs(api, sandbox):
    sandbox.faults.add(Hang())
    with pytest.raises(httpx.ReadTimeout):
        api.http.post(api.url(ENTERPRISES), json=api.body(), timeout=0.05)


def test_a_slow_answer_is_the_right_one(sandbox, api):
    sandbox.faults.add(Slow(0.05))
    answer = api.post(ENTERPRISES)
    assert len(answer.json()["Enterprises"]) == 1
    assert answer.elapsed >= timedelta(seconds=0.05)


def test_an_answer_without_a_date(sandbox, api):
    sandbox.faults.add(WithoutDate())
    first, second = api.post(ENTERPRISES), api.post(ENTERPRISES)
    assert "Date" not in first.headers
    assert "Date" in second.headers
    assert first.json() == second.json()


def test_other_headers_than_the_usual_ones(sandbox, api):
    sandbox.faults.add(OtherHeaders({"Date": "Fri, 31 Dec 9999 23:59:59 GMT"}))
    first, second = api.post(ENTERPRISES), api.post(ENTERPRISES)
    assert first.headers.get_list("Date") == ["Fri, 31 Dec 9999 23:59:59 GMT"]
    assert first.headers.keys() == second.headers.keys()
    assert first.json() == second.json()


@pytest.mark.parametrize("operation", [ENTERPRISES, SERVICES, ORDERS])
def test_a_short_page_has_the_cursor_of_its_oldest_item(sandbox, api, operation):
    service = sandbox.world.add_service(sandbox.world.add_enterprise())["Id"]
    for _ in range(3):
        sandbox.world.add_service(sandbox.world.add_enterprise())
        sandbox.world.add_order(service)
    asked = {"ServiceIds": [service]} if operation == ORDERS else {}
    (_, whole), _ = api.post(operation, **asked).json().items()
    sandbox.faults.add(ShortPage(2), operation=operation)
    (_, items), (_, cursor) = api.post(operation, **asked).json().items()
    assert (items, cursor) == (whole[:2], whole[1]["Id"])


def test_a_garbled_answer(sandbox, api):
    sandbox.faults.add(Garble(lambda body: body[:-1]))
    answer = api.post(ENTERPRISES)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="Expecting"):
        answer.json()


def test_no_content(sandbox, api):
    sandbox.faults.add(Answer(204))
    answer = api.post(ENTERPRISES)
    assert (answer.status_code, answer.content) == (204, b"")


def test_faults_of_heavy_requests_only(connect):
    world = ScriptedWorld()
    hotel = world.add_enterprise()
    ids = [world.add_service(hotel)["Id"] for _ in range(3)]
    with serve(world) as sandbox:
        api = connect(sandbox)
        sandbox.faults.add(Answer(408), operation=ORDERS, when=count_over(100), times=None)
        sandbox.faults.add(Answer(413), operation=ORDERS, when=ids_over(2), times=None)
        sandbox.faults.add(Answer(504), operation=ORDERS, when=interval_over(timedelta(days=1)), times=None)
        day = {"StartUtc": "2026-01-01T00:00:00Z", "EndUtc": "2026-01-02T00:00:00Z"}
        more = {"StartUtc": "2026-01-01T00:00:00Z", "EndUtc": "2026-01-02T00:00:01Z"}
        small = {"Count": 100}

        def status(**parameters):
            return api.post(ORDERS, **parameters).status_code

        assert status(ServiceIds=ids[:2], UpdatedUtc=day, Limitation={"Count": 101}) == 408
        assert status(ServiceIds=ids, UpdatedUtc=day, Limitation=small) == 413
        assert status(ServiceIds=ids[:2], UpdatedUtc=more, Limitation=small) == 504
        assert status(ServiceIds=ids[:2], UpdatedUtc=None, Limitation=small) == 504
        assert status(ServiceIds=ids[:2], UpdatedUtc=day, Limitation=small) == 200
