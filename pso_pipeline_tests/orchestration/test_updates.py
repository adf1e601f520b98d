"""The probe and its sensor: which hotels are found to have changed, how often they are said so, what that costs."""

from datetime import UTC, datetime, timedelta

import filelock
import msgspec
import pytest

from pso_pipeline.contract.endpoints import ORDER_ITEMS
from pso_pipeline.ingestion import polling
from pso_pipeline.ingestion.polling import PAGE_SIZE, PollState, is_due
from pso_pipeline.mews.limiter.turns import RateLimit
from pso_pipeline.mews.retry import RetryPolicy
from pso_pipeline.orchestration import sensors
from pso_pipeline.orchestration.definitions import PIPELINE
from pso_pipeline.orchestration.steps import sync
from pso_pipeline.sandbox import times
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.fakes.faults import Answer, ShortPage, WithoutDate
from pso_pipeline_tests.orchestration.daemon import keys_of

PROBE = "productServiceOrders/getAll"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setenv("MEWS_REQUESTS_PER_WINDOW", "1000000")
    monkeypatch.setattr(sensors, "ONE_RETRY", RetryPolicy(attempts=1, seconds=1.0, pause_seconds=0.0))
    monkeypatch.setattr(sensors, "WAREHOUSE_SECONDS", 0.1)


@pytest.fixture
def loaded(daemon, sandbox, world):
    """Three hotels have been read, and polled once."""
    world.add_order(world.add_service(world.add_enterprise(Name="Carlton")))
    daemon.read()
    daemon.tick("order_updates")
    sandbox.requests.clear()
    return daemon


def key_of(name, daemon):
    (key,) = [key for key in daemon.instance.get_dynamic_partitions("enterprise") if key.startswith(name)]
    return key


def orders_of(world, name):
    snapshot = world.snapshot(world.clock.now())
    hotels = {each["Id"]: each["Name"] for each in snapshot.enterprises}
    services = {each["Id"]: hotels[each["EnterpriseId"]] for each in snapshot.services}
    return [each for each in snapshot.orders if services[each["ServiceId"]] == name]


def change(world, name="Astoria"):
    world.change(orders_of(world, name)[0], State="Processed", Number=str(world.clock.now()))


def test_nothing_is_asked_before_the_first_read(daemon, sandbox):
    assert daemon.tick("order_updates").skip_message == "no hotel has been read yet"
    assert len(sandbox.requests) == 0


def test_quiet_hotels_cost_one_small_request_and_no_run(loaded, sandbox, monkeypatch):
    monkeypatch.setattr(polling, "OVERLAP", timedelta(seconds=-5))  # as if what this second brought were long ago
    loaded.tick("order_updates")
    sandbox.requests.clear()
    outcome = loaded.tick("order_updates")
    assert (outcome.run_requests, outcome.skip_message) == ([], "no change behind 1 token(s)")
    (request,) = sandbox.requests
    assert (request.operation, len(request.body["ServiceIds"])) == (PROBE, 3)
    assert request.body["Limitation"]["Count"] == PAGE_SIZE


def test_services_are_asked_for_a_thousand_at_a_time(daemon, sandbox, world):
    for hotel in list(world.snapshot(world.clock.now()).enterprises):
        for _ in range(750):
            world.add_service(hotel)
    daemon.read()
    sandbox.requests.clear()
    daemon.tick("order_updates")
    walks = [request.body for request in sandbox.requests if request.body["Limitation"]["Cursor"] is None]
    assert [len(body["ServiceIds"]) for body in walks] == [1000, 502]


def test_a_change_has_exactly_its_hotel_read_and_is_reported_once(loaded, world):
    sync(PIPELINE, None, endpoint=ORDER_ITEMS)
    loaded.tick("order_updates")
    change(world)
    outcome = loaded.tick("order_updates")
    assert keys_of(outcome) == [key_of("astoria", loaded)]
    assert outcome.run_requests[0].tags["pso/requested_by"] == "order_updates"
    assert loaded.run(outcome)
    assert loaded.tick("order_updates").run_requests == []


def test_a_change_is_reported_once_though_nothing_has_read_it_yet(loaded, world):
    change(world)
    loaded.tick("order_updates")
    assert loaded.tick("order_updates").run_requests == []


def test_a_second_change_within_the_same_second_is_found(loaded, world):
    world.clock.freeze()
    change(world)
    loaded.tick("order_updates")
    world.change(orders_of(world, "Astoria")[0], State="Canceled")
    assert keys_of(loaded.tick("order_updates")) == [key_of("astoria", loaded)]


def test_an_order_that_becomes_visible_after_its_time_is_found(loaded, world):
    service = orders_of(world, "Bristol")[0]["ServiceId"]
    world.add_order(service, CreatedUtc=times.text(world.clock.now() - 90))
    assert keys_of(loaded.tick("order_updates")) == [key_of("bristol", loaded)]


def test_a_changed_item_is_found_and_no_fault_of_items_hides_a_changed_order(loaded, world, sandbox):
    items = [world.add_item(orders_of(world, name)[0]) for name in ("Astoria", "Bristol")]
    sync(PIPELINE, None, endpoint=ORDER_ITEMS)
    loaded.tick("order_updates")
    assert loaded.tick("order_updates").run_requests == [], "each change is reported once"
    world.change(items[0], AccountingState="Closed")
    world.change(items[1], Type="SpaceOrder")
    assert keys_of(loaded.tick("order_updates")) == [key_of("astoria", loaded)]
    sandbox.faults.add(Answer(500), operation=ORDER_ITEMS.operation, times=None)
    change(world, "Carlton")
    assert keys_of(loaded.tick("order_updates")) == [key_of("carlton", loaded)]
    sandbox.faults.clear()
    sandbox.faults.add(Answer(401), operation=ORDER_ITEMS.operation, times=None)
    assert loaded.tick("order_updates").run_requests == []


def test_an_order_that_cannot_be_read_counts_as_a_change(loaded, world):
    world.change(orders_of(world, "Carlton")[0], CreatedUtc="yesterday")
    assert keys_of(loaded.tick("order_updates")) == [key_of("carlton", loaded)]


def test_changes_of_all_hotels_are_one_refresh_of_everything(loaded, world):
    for name in ("Astoria", "Bristol", "Carlton"):
        change(world, name)
    assert keys_of(loaded.tick("order_updates")) is None


def test_more_changes_than_a_page_holds_have_all_hotels_read_once(loaded, world, sandbox):
    service = orders_of(world, "Astoria")[0]["ServiceId"]
    # intervals include both ends: what changed within the second of a look would be met by the next one too
    at = times.text(world.clock.now() - 30)
    for _ in range(PAGE_SIZE + 1):
        world.add_order(service, CreatedUtc=at)
    assert keys_of(loaded.tick("order_updates")) is None
    assert len(sandbox.requests) == 1
    world.clock.advance(2)
    assert loaded.tick("order_updates").run_requests == []


def test_changes_are_found_on_short_pages_too(loaded, world, sandbox):
    service = orders_of(world, "Astoria")[0]["ServiceId"]
    for _ in range(7):
        world.add_order(service)
    change(world, "Bristol")
    sandbox.faults.add(ShortPage(2), operation=PROBE, times=None)
    asked_for = {key_of("astoria", loaded), key_of("bristol", loaded)}
    outcome = loaded.tick("order_updates")
    assert set(keys_of(outcome)) == asked_for, "a page shorter than asked for is no sign of more changes"


def test_what_changed_while_the_sensor_was_off_is_found(loaded, world, any_server_time):
    world.clock.advance(60)
    change(world)
    world.clock.advance(3600 * 24 * 20)
    assert keys_of(loaded.tick("order_updates")) == [key_of("astoria", loaded)]


def test_after_months_every_hotel_is_read(loaded, world):
    look = msgspec.json.decode(loaded.cursors["order_updates"], type=dict[str, PollState])
    old = {token: msgspec.structs.replace(each, start_utc=NOW - timedelta(days=700)) for token, each in look.items()}
    loaded.cursors["order_updates"] = sensors.encode_polls(old)
    assert keys_of(loaded.tick("order_updates")) is None
    assert loaded.tick("order_updates").run_requests == []


@pytest.mark.parametrize("shift", [-80_000, -7200, 1200, 43_200, 80_000])
def test_a_clock_that_differs_from_the_servers_by_less_than_a_day_loses_nothing(daemon, sandbox, world, shift):
    world.clock.advance(shift)
    daemon.read()
    daemon.tick("order_updates")
    change(world)
    assert keys_of(daemon.tick("order_updates")) == [key_of("astoria", daemon)]
    assert daemon.tick("order_updates").run_requests == []


def test_a_server_without_a_date_loses_nothing(loaded, world, sandbox):
    sandbox.faults.add(WithoutDate(), times=None)
    for _ in range(2):
        change(world)
        assert keys_of(loaded.tick("order_updates")) == [key_of("astoria", loaded)]
        assert loaded.tick("order_updates").run_requests == []
        world.clock.advance(1)


def test_an_api_that_is_down_is_no_answer_and_what_changed_meanwhile_is_found_after(loaded, world, sandbox):
    sandbox.faults.add(Answer(500), times=None)
    outcome = loaded.tick("order_updates")
    assert (outcome.run_requests, outcome.skip_message[:34]) == ([], "productServiceOrders/getAll: the s")
    change(world)
    loaded.tick("order_updates")
    sandbox.faults.clear()
    assert keys_of(loaded.tick("order_updates")) == [key_of("astoria", loaded)]


def test_hotels_that_failed_are_read_again_when_the_api_answers_again(loaded, sandbox):
    sandbox.faults.add(Answer(403), operation=PROBE, times=None)
    assert keys_of(loaded.tick("order_updates")) is None
    assert len(loaded.read().failed) == 3
    assert loaded.tick("order_updates").run_requests == []
    sandbox.faults.clear()
    assert keys_of(loaded.tick("order_updates")) is None


def test_a_service_that_is_refused_does_not_hide_the_changes_of_the_others(loaded, world):
    world.refuse_service(orders_of(world, "Carlton")[0]["ServiceId"])
    outcome = loaded.tick("order_updates")
    assert keys_of(outcome) is None
    assert len(loaded.read().failed) == 1
    assert keys_of(loaded.tick("order_updates")) == [key_of("carlton", loaded)]
    change(world)
    assert keys_of(loaded.tick("order_updates")) == [key_of("astoria", loaded)]


def test_a_hotel_that_joined_is_looked_at_from_where_its_first_read_began(loaded, world):
    service = world.add_service(world.add_enterprise(Name="Dorset"))
    world.add_order(service)
    first_read = loaded.tick("enterprise_discovery")
    assert keys_of(first_read) == [key_of("dorset", loaded)]
    loaded.read(keys_of(first_read))
    change(world, "Dorset")
    assert keys_of(loaded.tick("order_updates")) == [key_of("dorset", loaded)]


def test_a_warehouse_that_is_in_use_is_not_waited_for(loaded, sandbox):
    with filelock.FileLock(Warehouse("data/warehouse.duckdb").lock_path):
        outcome = loaded.tick("order_updates")
    assert "another pso_pipeline process" in outcome.skip_message
    assert "has held" in outcome.skip_message
    assert len(sandbox.requests) == 0


def test_a_missing_setting_is_one_line(daemon, sandbox, monkeypatch):
    monkeypatch.delenv("MEWS_CLIENT_TOKEN")
    for name in ("enterprise_discovery", "order_updates", "hotel_alerts"):
        assert daemon.tick(name).skip_message.startswith("MEWS_CLIENT_TOKEN is not set: ")


def test_the_cursor_holds_no_token_and_one_of_another_version_is_a_first_look(loaded, world):
    assert world.access_token not in loaded.cursors["order_updates"]
    loaded.cursors["order_updates"] = '{"0": 1}'
    assert keys_of(loaded.tick("order_updates")) is None
    assert loaded.tick("order_updates").run_requests == []


def test_looking_takes_no_more_than_a_tenth_of_the_limit():
    look = PollState(NOW)
    for services, seconds in ((1, 1.5), (1000, 1.5), (14_000, 21)):
        pause = timedelta(seconds=seconds)
        assert not is_due(look, services, NOW + pause - timedelta(seconds=0.1), RateLimit())
        assert is_due(look, services, NOW + pause, RateLimit())
    assert is_due(None, 14_000, NOW, RateLimit())
    assert is_due(look, 14_000, NOW - timedelta(hours=1), RateLimit())
