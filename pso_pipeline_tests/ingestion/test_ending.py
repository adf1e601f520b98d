"""Every refresh ends, however slow the API is: the end of a read is fixed when it begins."""

from datetime import UTC, datetime

import pytest

from pso_pipeline.sandbox.clock import Clock
from pso_pipeline_tests.fakes.faults import Answer
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.truth import expected_rows, landed_rows

ORDERS = "productServiceOrders/getAll"


@pytest.fixture
def world():
    return ScriptedWorld(clock=Clock(frozen_at=datetime.now(UTC)))


def assert_equals_source(pipeline):
    truth = pipeline.world.snapshot(pipeline.world.clock.now())
    with pipeline.warehouse.open() as connection:
        assert landed_rows(connection) == expected_rows(truth.orders, truth.services)


@pytest.fixture
def slow_answers(pipeline, world):
    """Let every answer take a number of seconds of the server's clock, and another order come in meanwhile."""

    def slow_down(seconds, service):
        def take_long(_body):
            world.clock.advance(seconds)
            world.add_order(service)
            return False

        pipeline.sandbox.faults.add(None, operation=ORDERS, when=take_long, times=None)

    return slow_down


@pytest.mark.parametrize("seconds", [1, 5, 20, 60])
@pytest.mark.parametrize("is_full", [False, True], ids=["refresh", "full resync"])
def test_a_refresh_ends_however_long_each_answer_takes(pipeline, world, slow_answers, seconds, is_full):
    service = world.add_service(world.add_enterprise())
    world.add_order(service)
    slow_answers(seconds, service)
    pipeline.refresh()
    assert len(pipeline.order_requests()) <= 2
    for _ in range(3):
        pipeline.sandbox.requests.clear()
        assert pipeline.refresh(is_full=is_full).failed == ()
        assert len(pipeline.order_requests()) <= (4 if is_full else 2)
    pipeline.sandbox.faults.clear()
    pipeline.refresh()
    assert_equals_source(pipeline)


@pytest.mark.parametrize("seconds", [5, 60])
def test_a_sync_alone_with_a_local_clock_that_is_behind_ends(pipeline, world, slow_answers, seconds):
    """Nothing was asked of the server before, so that the read is planned by the local clock."""
    service = world.add_service(world.add_enterprise())
    world.add_order(service)
    pipeline.refresh()
    world.clock.advance(3600)
    world.add_order(service)
    slow_answers(seconds, service)
    pipeline.sandbox.requests.clear()
    assert pipeline.sync_alone().failed == ()
    assert len(pipeline.order_requests()) <= 4
    pipeline.sandbox.faults.clear()
    pipeline.refresh()
    assert_equals_source(pipeline)


def test_what_is_always_too_heavy_fails_after_a_bounded_number_of_requests(pipeline, world):
    hotels = [world.add_enterprise(Name=f"Hotel {number}") for number in range(10)]
    for hotel in hotels:
        for _ in range(20):
            world.add_service(hotel)
    pipeline.refresh()
    pipeline.query("UPDATE mews.sync_state SET watermark_utc = watermark_utc - INTERVAL 80 DAY")
    pipeline.sandbox.faults.add(Answer(408), operation=ORDERS, times=None)
    pipeline.sandbox.requests.clear()
    assert len(pipeline.refresh().failed) == 10
    assert len(pipeline.order_requests()) < 700
