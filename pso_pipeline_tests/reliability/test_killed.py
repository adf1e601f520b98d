"""Killed at any instant, the next refresh completes: nothing is lost, nothing doubled, nothing begun again."""

import os
import signal

from pso_pipeline.sandbox.faults import Slow
from pso_pipeline.sandbox.scripted import ScriptedWorld
from pso_pipeline.sandbox.server import serve
from pso_pipeline_tests.reliability.killing import kill_at_random
from pso_pipeline_tests.reliability.refreshes import Refreshes

ORDERS = "productServiceOrders/getAll"


def test_killed_at_random_moments(tmp_path):
    """The long form of 50 and more is `python -m pso_pipeline_tests.reliability.killing`."""
    figures = kill_at_random(tmp_path, 5, seed=1, orders=1_500, enterprises=3)
    assert figures["kills"] == 5
    assert figures["orders"] > 900


def test_a_first_read_of_100_pages_killed_at_page_90_goes_on_where_it_was(tmp_path):
    world = ScriptedWorld()
    world.clock.freeze()
    service = world.add_service(world.add_enterprise(Name="Grand Hotel"))
    orders = [world.add_order(service, CreatedUtc=f"2026-01-01T{n // 60:02}:{n % 60:02}:00Z") for n in range(1000)]
    with serve(world, requests_per_window=None) as sandbox:
        refreshes = Refreshes(sandbox, tmp_path, page_size=10, pages_per_landing=10)
        # as long as a page takes over a real network: what was landed meanwhile is what counts
        sandbox.faults.add(Slow(0.02), operation=ORDERS, times=None)
        process = refreshes.start()
        world.after_page(90, lambda: os.kill(process.pid, signal.SIGKILL))
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert len(sandbox.requests.of(ORDERS)) in {90, 91}
        ((landed, cursor),) = refreshes.query("SELECT full_read_orders, full_read_cursor FROM mews.sync_state")
        assert landed >= 100
        sandbox.requests.clear()
        sandbox.faults.clear()
        world.clock.advance(600)
        world.change(orders[3], State="Canceled")
        refreshes.complete()
        bodies = [request.body or {} for request in sandbox.requests.of(ORDERS)]
        full = [body for body in bodies if "UpdatedUtc" not in body]
        assert full[0]["Limitation"]["Cursor"] == cursor
        assert len(full) == 100 - landed // 10, "one order less is left, the one that changed"
        refreshes.compare_with_source()
