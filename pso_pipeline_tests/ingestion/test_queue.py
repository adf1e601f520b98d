"""The queue before the warehouse: what waits lands together, and no progress before all it stands for."""

import asyncio
from datetime import UTC, datetime

import pytest

from pso_pipeline.ingestion import landing
from pso_pipeline.ingestion.landing import LandingQueue
from pso_pipeline.warehouse.landing.progress import Completed
from pso_pipeline.warehouse.landing.records import land_records
from pso_pipeline_tests.warehouse.test_landing import landing as batch_of
from pso_pipeline_tests.warehouse.test_landing import order

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def landings(monkeypatch):
    """After each landing: how many orders it brought, and how many services are complete."""
    seen = []

    def land(connection, brought):
        landed = land_records(connection, brought)
        (complete,) = connection.execute("SELECT count(watermark_utc) FROM mews.sync_state").fetchone()
        seen.append((len(brought.records), complete))
        return landed

    monkeypatch.setattr(landing, "land_records", land)
    monkeypatch.setattr(landing, "RECORDS_PER_TRANSACTION", 10)
    monkeypatch.setattr(landing, "MAX_WAITING_RECORDS", 100)
    return seen


def batch(service, orders):
    """So many orders of a service, which are all of it."""
    rows = [order(f"{service} {number}", service=service) for number in range(orders)]
    return batch_of(*rows, progress=[Completed(service, "e1", NOON, NOON, is_full=True)])


def land_all(warehouse, *batches):
    async def hand_over():
        queue = LandingQueue(warehouse)
        for each in batches:
            await queue.put(each)
        await queue.close()
        await queue.run()
        return queue

    return asyncio.run(hand_over())


@pytest.mark.stores("file", "lake", "s3")
def test_what_waits_lands_together_and_progress_with_the_last_of_its_records(warehouse, landings):
    queue = land_all(warehouse, batch("s1", 4), batch("s2", 4), batch("s3", 4), batch("s4", 25), batch("s5", 1))
    assert landings == [(12, 3), (25, 4), (1, 5)]
    assert queue.created == {"s1": 4, "s2": 4, "s3": 4, "s4": 25, "s5": 1}
    with warehouse.open() as connection:
        assert connection.execute("SELECT count(DISTINCT id) FROM mews.product_service_orders").fetchone() == (38,)


def test_progress_without_records_lands_too(warehouse, landings):
    land_all(warehouse, batch("s1", 4), batch("s2", 6), batch("s3", 0))
    assert landings == [(10, 2), (0, 3)]


def test_reads_wait_while_as_many_orders_as_may_be_at_hand_are_under_way(warehouse, monkeypatch):
    """Otherwise memory would hold what lands and as much again."""
    monkeypatch.setattr(landing, "RECORDS_PER_TRANSACTION", 10)
    monkeypatch.setattr(landing, "MAX_WAITING_RECORDS", 15)
    waiting = []

    async def hand_over():
        queue = LandingQueue(warehouse)

        def land(connection, brought):
            waiting.append(third.done())
            return land_records(connection, brought)

        monkeypatch.setattr(landing, "land_records", land)
        for service, orders in (("s1", 10), ("s2", 5)):
            await queue.put(batch(service, orders))
        third = asyncio.create_task(queue.put(batch("s3", 1)))
        landings = asyncio.create_task(queue.run())
        async with asyncio.timeout(60):
            await third
        await queue.close()
        await landings
        return queue

    queue = asyncio.run(hand_over())
    assert waiting == [False, True]
    assert queue.created == {"s1": 10, "s2": 5, "s3": 1}
