"""After any evolution of the source and any refreshes, the warehouse equals the source, to the row and the field."""

from datetime import UTC, datetime, timedelta

import pytest

from pso_pipeline.ingestion import fetch
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline_tests.fakes.faults import ShortPage, WithoutDate
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.truth import expected_rows, landed_rows

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def assert_equals_source(pipeline):
    truth = pipeline.world.snapshot(pipeline.world.clock.now())
    with pipeline.warehouse.open() as connection:
        assert landed_rows(connection) == expected_rows(truth.orders, truth.services)


def add_orders(world, service, count, *, until=NOON, **fields):
    """Orders a minute apart, the last one at `until`."""
    return [
        world.add_order(service, CreatedUtc=text(until - timedelta(minutes=count - 1 - n)), **fields)
        for n in range(count)
    ]


@pytest.fixture(params=["updated", "created"])
def world(request):
    return ScriptedWorld(clock=Clock(frozen_at=NOON), order_by=request.param)


@pytest.fixture
def hotel(world):
    return world.add_enterprise(Name="Grand Hotel")


@pytest.fixture
def breakfast(world, hotel):
    return world.add_service(hotel)


@pytest.fixture
def small_pages(monkeypatch):
    """Pages of 10 orders, landed two at a time: the same walk as with 1000, in less time."""
    monkeypatch.setattr(fetch, "PAGE_SIZE", 10)
    monkeypatch.setattr(fetch, "PAGES_PER_LANDING", 2)


def test_a_first_read_lands_every_field(pipeline, world, breakfast):
    add_orders(world, breakfast, 3)
    world.add_order(
        breakfast,
        State="Canceled",
        BookerId="b",
        CommanderOrigin="Phone",
        OriginDetails="é 漢",
        VoucherId="v",
        BusinessSegmentId="s",
        NewField={"a": [1, None]},
        Options={"OwnerCheckedIn": True, "NewFlag": 1},
    )
    world.add_order(breakfast, State="Teleported", Origin="Moon", AccountId=None, Number=None, Options=None)
    report = pipeline.refresh()
    assert report.failed == ()
    assert report.enterprises[0].created == 5
    assert_equals_source(pipeline)


def test_changes_arrive_and_quiet_refreshes_change_nothing(pipeline, world, breakfast):
    first, second, _ = add_orders(world, breakfast, 3)
    pipeline.refresh()
    world.clock.advance(3600)
    world.change(first, State="Canceled", CancelledUtc=text(NOON))
    world.change(second, State="Started")
    world.add_order(breakfast)
    report = pipeline.refresh()
    assert (report.enterprises[0].created, report.enterprises[0].changed) == (1, 2)
    assert_equals_source(pipeline)
    quiet = pipeline.refresh()
    assert (quiet.enterprises[0].created, quiet.enterprises[0].changed) == (0, 0)
    assert_equals_source(pipeline)


@pytest.mark.parametrize("count", [0, 9, 10, 20, 40, 41])
def test_a_page_may_end_exactly_at_the_end_of_the_data(pipeline, world, breakfast, small_pages, count):
    add_orders(world, breakfast, count)
    pipeline.refresh()
    assert_equals_source(pipeline)


def test_items_that_move_while_pages_are_read_are_not_lost(pipeline, world, breakfast, small_pages):
    orders = add_orders(world, breakfast, 60)
    for page in range(1, 6):
        # the oldest moves to the top, the cursor of the page just read moves, and a new one comes
        world.after_page(page, lambda p=page: world.change(orders[p], State="Started", UpdatedUtc=text(NOON)))
        world.after_page(
            page, lambda p=page: world.change(orders[60 - 10 * p], State="Canceled", UpdatedUtc=text(NOON))
        )
        world.after_page(page, lambda: world.add_order(breakfast))
    pipeline.refresh()
    pipeline.refresh()
    assert_equals_source(pipeline)


def test_a_cursor_whose_order_moves_to_the_top_does_not_end_the_walk(pipeline, world, breakfast, small_pages):
    """The page after it is then the first page again, with a cursor that was followed before."""
    orders = add_orders(world, breakfast, 45)[::-1]
    pipeline.sandbox.requests.clear()
    world.after_page(2, lambda: world.change(orders[19], State="Started", UpdatedUtc=text(NOON)))
    assert pipeline.refresh().failed == ()
    pipeline.refresh()
    assert_equals_source(pipeline)


def test_a_service_that_appears_later_with_old_orders_is_read_from_its_beginning(pipeline, world, hotel, breakfast):
    add_orders(world, breakfast, 2)
    pipeline.refresh()
    world.clock.advance(3600)
    spa = world.add_service(hotel, Name="Spa")
    add_orders(world, spa, 3, until=NOON - timedelta(days=400))
    pipeline.refresh()
    assert_equals_source(pipeline)


def test_a_bookable_service_is_not_asked_for(pipeline, world, hotel, breakfast):
    rooms = world.add_service(hotel, kind="Bookable", Name="Rooms")
    pipeline.refresh()
    assert all(rooms["Id"] not in request.body["ServiceIds"] for request in pipeline.order_requests())


def test_an_inactive_service_and_its_orders_remain(pipeline, world, hotel):
    closed = world.add_service(hotel, IsActive=False)
    add_orders(world, closed, 2)
    pipeline.refresh()
    assert_equals_source(pipeline)


def test_more_than_1000_services_are_asked_for_in_several_requests(pipeline, world, hotel):
    services = [world.add_service(hotel) for _ in range(1001)]
    add_orders(world, services[0], 2)
    add_orders(world, services[-1], 2)
    pipeline.refresh()
    assert_equals_source(pipeline)
    world.clock.advance(60)
    world.add_order(services[-1])
    pipeline.refresh()
    assert_equals_source(pipeline)


def test_more_than_1000_enterprises_are_listed_and_refreshed_together(pipeline, world):
    hotels = [world.add_enterprise(Name=f"Hotel {n}") for n in range(1001)]
    services = [world.add_service(each) for each in (hotels[0], hotels[500], hotels[-1])]
    for service in services:
        add_orders(world, service, 2)
    report = pipeline.refresh()
    assert len(report.enterprises) == 1001
    world.clock.advance(60)
    world.add_order(services[-1])
    pipeline.sandbox.requests.clear()
    pipeline.refresh()
    assert len(pipeline.order_requests()) == 2, "the page and the empty one at its end"
    assert_equals_source(pipeline)


@pytest.mark.parametrize("items", [1, 3, 100])
def test_a_server_of_short_pages_is_read_whole(pipeline, world, items):
    """301 orders, 4 hotels, 12 services; all of them, and what changes later."""
    services = [world.add_service(hotel) for hotel in [world.add_enterprise() for _ in range(4)] for _ in range(3)]
    for number in range(301 if items > 1 else 31):
        world.add_order(services[number % 12])
    pipeline.sandbox.faults.add(ShortPage(items), times=None)
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline)
    world.clock.advance(3600)
    for service in services:
        add_orders(world, service, 2)
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline)
    world.clock.advance(3600)
    assert pipeline.refresh(is_full=True).failed == ()
    assert_equals_source(pipeline)


def test_a_pipeline_that_slept_for_a_year_asks_in_intervals_of_3_months(pipeline, world, breakfast):
    orders = add_orders(world, breakfast, 3)
    pipeline.refresh()
    world.clock.advance(370 * 86400)
    for months, order in enumerate(orders):
        world.change(order, at=NOON + timedelta(days=100 * months + 50), State="Started")
    world.add_order(breakfast)
    pipeline.sandbox.requests.clear()
    report = pipeline.refresh()
    assert report.failed == ()
    assert len(pipeline.order_walks()) == 5
    assert_equals_source(pipeline)


@pytest.mark.parametrize("shift", [-3600, 3600])
def test_a_local_clock_an_hour_off_loses_nothing(pipeline, world, breakfast, monkeypatch, shift):
    """The sandbox's clock is shifted against this machine's, which is the same thing the other way round."""
    pipeline.overlap = timedelta()
    world.clock.freeze(datetime.now(UTC) + timedelta(seconds=shift))
    world.add_order(breakfast)
    pipeline.refresh()
    for sync in (pipeline.refresh, pipeline.sync_alone, pipeline.sync_alone):
        world.add_order(breakfast)
        world.clock.advance(1)
        sync()
        assert_equals_source(pipeline)
    (watermark,) = pipeline.query("SELECT watermark_utc FROM mews.sync_state")[0]
    assert watermark.replace(tzinfo=UTC).timestamp() <= world.clock.now()


def test_an_order_that_becomes_visible_minutes_after_its_update_is_found(pipeline, world, breakfast):
    pipeline.refresh()
    world.add_order(breakfast, CreatedUtc=text(NOON + timedelta(minutes=1)), visible_from=NOON + timedelta(minutes=8))
    world.clock.advance(300)
    pipeline.refresh()
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders") == [(0,)]
    world.clock.advance(300)
    pipeline.refresh()
    assert_equals_source(pipeline)


def test_a_server_without_a_date_header_loses_nothing(pipeline, world, breakfast):
    world.clock.freeze(datetime.now(UTC))
    pipeline.sandbox.faults.add(WithoutDate(), times=None)
    world.add_order(breakfast)
    pipeline.refresh()
    world.add_order(breakfast)
    pipeline.refresh()
    assert_equals_source(pipeline)


def test_every_version_and_the_same_second_are_kept(pipeline, world, breakfast):
    order = world.add_order(breakfast)
    pipeline.refresh()
    world.change(order, State="Started")
    pipeline.refresh()
    assert_equals_source(pipeline)
    states = pipeline.query("SELECT state FROM mews.product_service_order_versions ORDER BY observed_utc")
    assert states == [("Confirmed",), ("Started",)]


def test_an_order_that_becomes_visible_hours_after_its_update_is_found_by_looking_back(pipeline, world, breakfast):
    pipeline.refresh()
    world.add_order(breakfast, CreatedUtc=text(NOON + timedelta(minutes=1)), visible_from=NOON + timedelta(hours=2))
    for hours in (1, 2):
        world.clock.advance(hours * 3600)
        pipeline.refresh()
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders") == [(0,)]
    pipeline.overlap = timedelta(days=1)
    pipeline.refresh()
    assert_equals_source(pipeline)


def test_a_watermark_that_a_wrong_clock_left_in_the_future_loses_nothing(pipeline, world, breakfast):
    pipeline.overlap = timedelta()
    order = world.add_order(breakfast)
    pipeline.refresh()
    pipeline.query(
        "UPDATE mews.sync_state SET watermark_utc = watermark_utc + INTERVAL 400 DAY;"
        "UPDATE mews.product_service_orders SET fetched_utc = fetched_utc + INTERVAL 400 DAY"
    )
    world.clock.advance(3600)
    world.change(order, State="Canceled")
    world.clock.advance(3600)
    report = pipeline.refresh()
    assert any("watermark in the future" in notice for notice in report.notices)
    assert_equals_source(pipeline)
    latest = "SELECT max(fetched_utc) < now()::TIMESTAMP + INTERVAL 1 DAY FROM mews.product_service_order_versions"
    assert pipeline.query(latest) == [(True,)]
    assert pipeline.query("SELECT watermark_utc < now()::TIMESTAMP + INTERVAL 1 DAY FROM mews.sync_state") == [(True,)]


def test_a_server_that_is_an_hour_ahead_once_loses_nothing(pipeline, world, breakfast):
    """One of many servers, or a proxy: its `Date` alone would move the watermark over an hour of orders."""
    pipeline.overlap = timedelta()
    world.clock.freeze(datetime.now(UTC))
    world.clock.advance(3600)
    pipeline.refresh()
    world.clock.advance(-3600 + 1800)
    world.add_order(breakfast)
    world.clock.advance(7200)
    pipeline.refresh()
    assert_equals_source(pipeline)
