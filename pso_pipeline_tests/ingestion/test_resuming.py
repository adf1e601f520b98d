"""A first read that is interrupted goes on where it stopped; a full resync marks what the source no longer has."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pso_pipeline.ingestion import fetch
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.warehouse.errors import WarehouseBusy
from pso_pipeline_tests.fakes.faults import Answer
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.ingestion.kinds import KINDS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def world():
    return ScriptedWorld(clock=Clock(frozen_at=NOON))


@pytest.fixture
def service(world):
    return world.add_service(world.add_enterprise(Name="Grand Hotel"))


@pytest.fixture(params=KINDS)
def records(request, world):
    return KINDS[request.param](world)


@pytest.fixture
def pipeline(pipeline, records):
    pipeline.endpoint = records.endpoint
    return pipeline


@pytest.fixture
def orders(records, service):
    times = [NOON - timedelta(minutes=minutes) for minutes in range(200)]
    return [records.add(service, CreatedUtc=time.strftime("%Y-%m-%dT%H:%M:%SZ")) for time in times]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(fetch, "PAGE_SIZE", 2)
    monkeypatch.setattr(fetch, "PAGES_PER_LANDING", 5)


def assert_equals_source(pipeline, records):
    truth = pipeline.world.snapshot(pipeline.world.clock.now())
    with pipeline.warehouse.open() as connection:
        assert records.landed(connection) == records.expected(truth)


def interrupt_after(pipeline, pages):
    pipeline.sandbox.faults.add(Answer(500), operation=pipeline.endpoint.operation, skip=pages, times=None)


def test_a_first_read_of_100_pages_interrupted_at_page_90_goes_on_there(pipeline, world, orders, records):
    interrupt_after(pipeline, 90)
    assert len(pipeline.refresh().failed) == 1
    pipeline.sandbox.faults.clear()
    pipeline.sandbox.requests.clear()
    world.clock.advance(600)
    records.cancel(orders[0])
    assert pipeline.refresh().failed == ()
    full = [request for request in pipeline.order_requests() if "UpdatedUtc" not in request.body]
    assert len(full) <= 16
    assert_equals_source(pipeline, records)


def test_a_first_read_whose_cursor_is_gone_starts_again(pipeline, world, orders, records):
    interrupt_after(pipeline, 50)
    pipeline.refresh()
    pipeline.sandbox.faults.clear()
    (cursor,) = pipeline.query("SELECT full_read_cursor FROM mews.sync_state")[0]
    world.remove(cursor)
    assert pipeline.refresh().failed == ()
    truth = pipeline.world.snapshot(pipeline.world.clock.now())
    with pipeline.warehouse.open() as connection:
        assert records.landed(connection).keys() - {cursor} == records.expected(truth).keys()


def test_a_partly_read_service_has_no_watermark(pipeline, orders):
    interrupt_after(pipeline, 50)
    pipeline.refresh()
    rows = pipeline.query("SELECT watermark_utc, full_read_records > 0, last_error IS NOT NULL FROM mews.sync_state")
    assert rows == [(None, True, True)]


def missing(pipeline):
    table = pipeline.endpoint.table.qualified_name
    rows = pipeline.query(f"SELECT id FROM {table} WHERE is_missing_from_source ORDER BY id")
    return [identifier for (identifier,) in rows]


@pytest.mark.stores("file", "lake", "s3")
def test_a_full_resync_finds_what_moved_and_a_second_one_marks_what_is_gone(pipeline, world, orders, records):
    pipeline.refresh()
    world.clock.advance(3600)
    world.remove(orders[7])
    # goes ahead of the walk while it is under way: not met by it, and not gone
    world.after_page(3, lambda: records.start(orders[150]))
    reconciled = pipeline.refresh(is_full=True).enterprises[0].reconciled
    assert (reconciled.missing, reconciled.marked) == (1, 0)
    assert "marked missing if the next full read does not find them" in reconciled.describe()
    assert missing(pipeline) == []
    reconciled = pipeline.refresh(is_full=True).enterprises[0].reconciled
    assert (reconciled.missing, reconciled.marked) == (1, 1)
    assert missing(pipeline) == [orders[7]["Id"]]
    assert_equals_source(pipeline, records)
    assert pipeline.query("SELECT count(*) FROM mews.full_read_ids") == [(0,)]


def test_an_order_that_two_full_reads_lack_but_not_in_a_row_is_not_marked(pipeline, world, service, orders, records):
    pipeline.refresh()
    for is_there in (False, True, False):
        if is_there:
            records.add(service, **orders[7])
        else:
            world.remove(orders[7])
        pipeline.refresh(is_full=True)
        assert missing(pipeline) == []


def test_an_order_that_was_marked_missing_is_present_again_once_it_is_seen(pipeline, world, service, orders, records):
    pipeline.refresh()
    world.remove(orders[7])
    for _ in range(2):
        pipeline.refresh(is_full=True)
    assert missing(pipeline) == [orders[7]["Id"]]
    records.add(service, **orders[7])
    pipeline.refresh(is_full=True)
    assert missing(pipeline) == []
    assert_equals_source(pipeline, records)


def test_an_interrupted_resync_marks_nothing_and_goes_on(pipeline, world, orders, records):
    pipeline.refresh()
    world.remove(orders[7])
    interrupt_after(pipeline, 60)
    assert pipeline.refresh(is_full=True).enterprises[0].reconciled is None
    pipeline.sandbox.faults.clear()
    pipeline.sandbox.requests.clear()
    report = pipeline.refresh(is_full=True)
    assert report.enterprises[0].reconciled.missing == 1
    assert len(pipeline.order_requests()) < 60
    assert missing(pipeline) == [], "both runs were one full read"
    pipeline.refresh(is_full=True)
    assert_equals_source(pipeline, records)


def test_a_resync_interrupted_long_ago_starts_from_the_top(pipeline, world, orders, records):
    pipeline.refresh()
    interrupt_after(pipeline, 60)
    pipeline.refresh(is_full=True)
    pipeline.sandbox.faults.clear()
    world.clock.advance(3 * 86400)
    world.remove(orders[7])
    for _ in range(2):
        pipeline.refresh(is_full=True)
    assert_equals_source(pipeline, records)


def test_an_implausible_share_is_not_marked(pipeline, world, orders, records):
    pipeline.refresh()
    for order in orders[:41]:
        world.remove(order)
    for _ in range(2):
        reconciled = pipeline.refresh(is_full=True).enterprises[0].reconciled
        assert (reconciled.present, reconciled.missing, reconciled.is_refused) == (200, 41, True)
    assert "none was marked missing" in reconciled.describe()
    assert missing(pipeline) == []
    assert not pipeline.refresh(is_full=True, max_missing_share=0.3).enterprises[0].reconciled.is_refused
    assert_equals_source(pipeline, records)


def test_an_order_that_cannot_be_read_is_not_missing(pipeline, world, service, orders):
    pipeline.refresh()
    world.change(orders[3], CreatedUtc="yesterday")
    report = pipeline.refresh(is_full=True)
    assert report.enterprises[0].reconciled.missing == 0


def test_two_full_resyncs_at_once_wait_for_each_other(pipeline, warehouse, orders):
    pipeline.refresh()
    pipeline.warehouse = replace(warehouse, wait_seconds=0.1)
    with warehouse.resyncing():
        with pytest.raises(WarehouseBusy, match=rf"PID {os.getpid()}|writing to the lake"):
            pipeline.refresh(is_full=True)
        assert pipeline.refresh().failed == (), "other refreshes go on"
    assert pipeline.refresh(is_full=True).enterprises[0].reconciled.missing == 0
