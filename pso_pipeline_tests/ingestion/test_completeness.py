"""After any evolution of the source and any refreshes, the warehouse equals the source, to the row and the field."""

from datetime import UTC, datetime, timedelta

import pytest

from pso_pipeline.ingestion import fetch
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline_tests.fakes.faults import ShortPage, WithoutDate
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.ingestion.kinds import KINDS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def assert_equals_source(pipeline, records):
    truth = pipeline.world.snapshot(pipeline.world.clock.now())
    with pipeline.warehouse.open() as connection:
        assert records.landed(connection) == records.expected(truth)


def add_some(records, service, count, *, until=NOON, **fields):
    """Records a minute apart, the last one at `until`."""
    return [
        records.add(service, CreatedUtc=text(until - timedelta(minutes=count - 1 - n)), **fields) for n in range(count)
    ]


@pytest.fixture(params=["updated", "created"])
def world(request):
    return ScriptedWorld(clock=Clock(frozen_at=NOON), order_by=request.param)


@pytest.fixture(params=KINDS)
def records(request, world):
    return KINDS[request.param](world)


@pytest.fixture
def pipeline(pipeline, records):
    pipeline.endpoint = records.endpoint
    return pipeline


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


@pytest.mark.parametrize("records", ["orders"], indirect=True)
def test_a_first_read_lands_every_field(pipeline, world, breakfast, records):
    add_some(records, breakfast, 3)
    records.add(
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
    records.add(breakfast, State="Teleported", Origin="Moon", AccountId=None, Number=None, Options=None)
    report = pipeline.refresh()
    assert report.failed == ()
    assert report.enterprises[0].created == 5
    assert_equals_source(pipeline, records)


def test_changes_arrive_and_quiet_refreshes_change_nothing(pipeline, world, breakfast, records):
    first, second, _ = add_some(records, breakfast, 3)
    pipeline.refresh()
    world.clock.advance(3600)
    records.cancel(first)
    records.start(second)
    records.add(breakfast)
    report = pipeline.refresh()
    assert (report.enterprises[0].created, report.enterprises[0].changed) == (1, 2)
    assert_equals_source(pipeline, records)
    quiet = pipeline.refresh()
    assert (quiet.enterprises[0].created, quiet.enterprises[0].changed) == (0, 0)
    assert_equals_source(pipeline, records)


@pytest.mark.parametrize("count", [0, 9, 10, 20, 40, 41])
def test_a_page_may_end_exactly_at_the_end_of_the_data(pipeline, breakfast, small_pages, count, records):
    add_some(records, breakfast, count)
    pipeline.refresh()
    assert_equals_source(pipeline, records)


def test_items_that_move_while_pages_are_read_are_not_lost(pipeline, world, breakfast, small_pages, records):
    orders = add_some(records, breakfast, 60)
    for page in range(1, 6):
        # the oldest moves to the top, the cursor of the page just read moves, and a new one comes
        world.after_page(page, lambda p=page: records.start(orders[p], UpdatedUtc=text(NOON)))
        world.after_page(page, lambda p=page: records.cancel(orders[60 - 10 * p], UpdatedUtc=text(NOON)))
        world.after_page(page, lambda: records.add(breakfast))
    pipeline.refresh()
    pipeline.refresh()
    assert_equals_source(pipeline, records)


def test_a_cursor_whose_order_moves_to_the_top_does_not_end_the_walk(pipeline, world, breakfast, small_pages, records):
    """The page after it is then the first page again, with a cursor that was followed before."""
    orders = add_some(records, breakfast, 45)[::-1]
    pipeline.sandbox.requests.clear()
    world.after_page(2, lambda: records.start(orders[19], UpdatedUtc=text(NOON)))
    assert pipeline.refresh().failed == ()
    pipeline.refresh()
    assert_equals_source(pipeline, records)


def test_a_service_that_appears_later_with_old_records_is_read_from_its_beginning(
    pipeline, world, hotel, breakfast, records
):
    add_some(records, breakfast, 2)
    pipeline.refresh()
    world.clock.advance(3600)
    spa = world.add_service(hotel, Name="Spa", CreatedUtc=text(NOON - timedelta(days=500)))
    add_some(records, spa, 3, until=NOON - timedelta(days=400))
    pipeline.refresh()
    assert_equals_source(pipeline, records)
    pipeline.sandbox.requests.clear()
    pipeline.refresh()
    requests = pipeline.sandbox.requests.of(records.endpoint.operation)
    assert all("UpdatedUtc" in request.body for request in requests), "all history is read once"


@pytest.mark.parametrize("records", ["orders"], indirect=True)
def test_a_bookable_service_is_not_asked_for(pipeline, world, hotel, breakfast, records):
    rooms = world.add_service(hotel, kind="Bookable", Name="Rooms")
    pipeline.refresh()
    assert all(rooms["Id"] not in request.body["ServiceIds"] for request in pipeline.order_requests())


def test_an_inactive_service_and_its_orders_remain(pipeline, world, hotel, records):
    closed = world.add_service(hotel, IsActive=False)
    add_some(records, closed, 2)
    pipeline.refresh()
    assert_equals_source(pipeline, records)


@pytest.mark.parametrize("records", ["orders"], indirect=True)
def test_more_than_1000_services_are_asked_for_in_several_requests(pipeline, world, hotel, records):
    services = [world.add_service(hotel) for _ in range(1001)]
    add_some(records, services[0], 2)
    add_some(records, services[-1], 2)
    pipeline.refresh()
    assert_equals_source(pipeline, records)
    world.clock.advance(60)
    records.add(services[-1])
    pipeline.refresh()
    assert_equals_source(pipeline, records)


@pytest.mark.parametrize("records", ["orders"], indirect=True)
def test_more_than_1000_enterprises_are_listed_and_refreshed_together(pipeline, world, records):
    hotels = [world.add_enterprise(Name=f"Hotel {n}") for n in range(1001)]
    services = [world.add_service(each) for each in (hotels[0], hotels[500], hotels[-1])]
    for service in services:
        add_some(records, service, 2)
    report = pipeline.refresh()
    assert len(report.enterprises) == 1001
    world.clock.advance(60)
    records.add(services[-1])
    pipeline.sandbox.requests.clear()
    pipeline.refresh()
    assert len(pipeline.order_requests()) == 2, "the page and the empty one at its end"
    assert_equals_source(pipeline, records)


@pytest.mark.parametrize("items", [1, 3, 100])
def test_a_server_of_short_pages_is_read_whole(pipeline, world, items, records):
    """301 orders, 4 hotels, 12 services; all of them, and what changes later."""
    services = [world.add_service(hotel) for hotel in [world.add_enterprise() for _ in range(4)] for _ in range(3)]
    for number in range(301 if items > 1 else 31):
        records.add(services[number % 12])
    pipeline.sandbox.faults.add(ShortPage(items), times=None)
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline, records)
    world.clock.advance(3600)
    for service in services:
        add_some(records, service, 2)
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline, records)
    world.clock.advance(3600)
    assert pipeline.refresh(is_full=True).failed == ()
    assert_equals_source(pipeline, records)


def test_a_pipeline_that_slept_for_a_year_asks_in_intervals_of_3_months(pipeline, world, breakfast, records):
    orders = add_some(records, breakfast, 3)
    pipeline.refresh()
    world.clock.advance(370 * 86400)
    for months, order in enumerate(orders):
        records.start(order, at=NOON + timedelta(days=100 * months + 50))
    records.add(breakfast)
    pipeline.sandbox.requests.clear()
    report = pipeline.refresh()
    assert report.failed == ()
    assert len(pipeline.order_walks()) == 5
    assert_equals_source(pipeline, records)


@pytest.mark.parametrize("shift", [-3600, 3600])
def test_a_local_clock_an_hour_off_loses_nothing(pipeline, world, breakfast, shift, records):
    """The sandbox's clock is shifted against this machine's, which is the same thing the other way round."""
    pipeline.overlap = timedelta()
    world.clock.freeze(datetime.now(UTC) + timedelta(seconds=shift))
    records.add(breakfast)
    pipeline.refresh()
    for sync in (pipeline.refresh, pipeline.sync_alone, pipeline.sync_alone):
        records.add(breakfast)
        world.clock.advance(1)
        sync()
        assert_equals_source(pipeline, records)
    (watermark,) = pipeline.query("SELECT watermark_utc FROM mews.sync_state")[0]
    assert watermark.replace(tzinfo=UTC).timestamp() <= world.clock.now()


def test_an_order_that_becomes_visible_minutes_after_its_update_is_found(pipeline, world, breakfast, records):
    pipeline.refresh()
    records.add(breakfast, CreatedUtc=text(NOON + timedelta(minutes=1)), visible_from=NOON + timedelta(minutes=8))
    world.clock.advance(300)
    pipeline.refresh()
    assert pipeline.query(f"SELECT count(*) FROM {records.table}") == [(0,)]
    world.clock.advance(300)
    pipeline.refresh()
    assert_equals_source(pipeline, records)


def test_a_server_without_a_date_header_loses_nothing(pipeline, world, breakfast, records):
    world.clock.freeze(datetime.now(UTC))
    pipeline.sandbox.faults.add(WithoutDate(), times=None)
    records.add(breakfast)
    pipeline.refresh()
    records.add(breakfast)
    pipeline.refresh()
    assert_equals_source(pipeline, records)


def test_every_version_and_the_same_second_are_kept(pipeline, world, breakfast, records):
    order = records.add(breakfast)
    pipeline.refresh()
    records.start(order)
    pipeline.refresh()
    assert_equals_source(pipeline, records)
    states = pipeline.query(f"SELECT {records.state} FROM {records.versions} ORDER BY observed_utc")
    assert states == [(each,) for each in records.states]


def test_an_order_that_becomes_visible_hours_after_its_update_is_found_by_looking_back(
    pipeline, world, breakfast, records
):
    pipeline.refresh()
    records.add(breakfast, CreatedUtc=text(NOON + timedelta(minutes=1)), visible_from=NOON + timedelta(hours=2))
    for hours in (1, 2):
        world.clock.advance(hours * 3600)
        pipeline.refresh()
    assert pipeline.query(f"SELECT count(*) FROM {records.table}") == [(0,)]
    pipeline.overlap = timedelta(days=1)
    pipeline.refresh()
    assert_equals_source(pipeline, records)


def test_a_watermark_that_a_wrong_clock_left_in_the_future_loses_nothing(pipeline, world, breakfast, records):
    pipeline.overlap = timedelta()
    order = records.add(breakfast)
    pipeline.refresh()
    pipeline.query(
        "UPDATE mews.sync_state SET watermark_utc = watermark_utc + INTERVAL 400 DAY;"
        f"UPDATE {records.table} SET fetched_utc = fetched_utc + INTERVAL 400 DAY"
    )
    world.clock.advance(3600)
    records.cancel(order)
    world.clock.advance(3600)
    report = pipeline.refresh()
    assert any("watermark in the future" in notice for notice in report.notices)
    assert_equals_source(pipeline, records)
    latest = f"SELECT max(fetched_utc) < now()::TIMESTAMP + INTERVAL 1 DAY FROM {records.versions}"
    assert pipeline.query(latest) == [(True,)]
    assert pipeline.query("SELECT watermark_utc < now()::TIMESTAMP + INTERVAL 1 DAY FROM mews.sync_state") == [(True,)]


def test_a_server_that_is_an_hour_ahead_once_loses_nothing(pipeline, world, breakfast, records):
    """One of many servers, or a proxy: its `Date` alone would move the watermark over an hour of orders."""
    pipeline.overlap = timedelta()
    world.clock.freeze(datetime.now(UTC))
    world.clock.advance(3600)
    pipeline.refresh()
    world.clock.advance(-3600 + 1800)
    records.add(breakfast)
    world.clock.advance(7200)
    pipeline.refresh()
    assert_equals_source(pipeline, records)
