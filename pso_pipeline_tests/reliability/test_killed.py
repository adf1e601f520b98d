"""Tests that the refresh after a kill continues and completes, without a lost or duplicate order."""

import os
import signal

import pytest

from pso_pipeline_tests.fakes.faults import Slow
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve
from pso_pipeline_tests.ingestion.kinds import KINDS
from pso_pipeline_tests.reliability.killing import kill_at_random
from pso_pipeline_tests.reliability.refreshes import Refreshes

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def test_killed_at_random_moments(tmp_path):
    """`python -m pso_pipeline_tests.reliability.killing` is the long form, with more kills."""
    figures = kill_at_random(tmp_path, 5, seed=1, orders=1_500, enterprises=3)
    assert figures["kills"] == 5
    assert figures["orders"] > 900


@each_kind
def test_a_full_resync_killed_in_the_middle_goes_on_where_it_was_and_marks_nothing_before_its_end(tmp_path, kind):
    """Neither complete hotels nor landed pages of incomplete ones are read again."""
    world = ScriptedWorld()
    world.clock.freeze()
    records, operation = kind(world), kind.endpoint.operation
    services = [world.add_service(world.add_enterprise(Name=f"Hotel {number}")) for number in range(20)]
    orders = {
        service["Id"]: [records.add(service, CreatedUtc=f"2026-01-01T00:{n:02}:00Z") for n in range(60)]
        for service in services
    }
    with serve(world, requests_per_window=None) as sandbox:
        refreshes = Refreshes(sandbox, tmp_path, page_size=10, pages_per_landing=2)
        refreshes.complete()
        gone = [orders[service["Id"]][30] for service in services]
        for order in gone:
            world.remove(order)
        sandbox.requests.clear()
        # slow answers, so that pages land before the kill
        sandbox.faults.add(Slow(0.5), operation=operation, times=None)
        process = refreshes.start(is_full=True)
        world.after_page(120, lambda: os.kill(process.pid, signal.SIGKILL), operation=operation)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        sandbox.faults.clear()
        missing = f"SELECT count(*) FROM {kind.table} WHERE is_missing_from_source"
        assert refreshes.query(missing) == [(0,)]
        of_kind = f"SELECT scope_id FROM mews.sync_state WHERE endpoint = '{kind.endpoint.name}'"
        ended = refreshes.query(f"{of_kind} AND resync_started_utc IS NOT NULL")
        begun = refreshes.query(f"{of_kind} AND full_read_cursor IS NOT NULL")
        assert ended
        assert begun
        world.clock.advance(600)
        late = records.cancel(orders[services[0]["Id"]][5])
        sandbox.requests.clear()
        refreshes.complete(is_full=True)
        bodies = [request.body or {} for request in sandbox.requests.of(operation)]
        full = [body for body in bodies if "UpdatedUtc" not in body]
        again = {service for body in full for service in body[kind.endpoint.scope_filter]}
        assert again.isdisjoint(service for (service,) in ended)
        assert all(
            body["Limitation"]["Cursor"]
            for body in full
            if body[kind.endpoint.scope_filter][0] in {s for (s,) in begun}
        )
        assert refreshes.query(missing) == [(0,)], "an interrupted full read is one full read"
        assert refreshes.query("SELECT count(*) FROM mews.missing_candidates") == [(20,)]
        assert refreshes.query(f"SELECT {kind.state} FROM {kind.table} WHERE id = '{late['Id']}'") == [("Canceled",)]
        refreshes.complete(is_full=True)
        refreshes.compare_with_source()


@each_kind
def test_a_first_read_of_100_pages_killed_at_page_90_goes_on_where_it_was(tmp_path, kind):
    world = ScriptedWorld()
    world.clock.freeze()
    records, operation = kind(world), kind.endpoint.operation
    service = world.add_service(world.add_enterprise(Name="Grand Hotel"))
    orders = [records.add(service, CreatedUtc=f"2026-01-01T{n // 60:02}:{n % 60:02}:00Z") for n in range(1000)]
    with serve(world, requests_per_window=None) as sandbox:
        refreshes = Refreshes(sandbox, tmp_path, page_size=10, pages_per_landing=10)
        # slow answers, so that pages land before the kill
        sandbox.faults.add(Slow(0.02), operation=operation, times=None)
        process = refreshes.start()
        world.after_page(90, lambda: os.kill(process.pid, signal.SIGKILL), operation=operation)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert len(sandbox.requests.of(operation)) in {90, 91}
        ((landed, cursor),) = refreshes.query(
            "SELECT full_read_records, full_read_cursor FROM mews.sync_state WHERE full_read_cursor IS NOT NULL"
        )
        assert landed >= 100
        sandbox.requests.clear()
        sandbox.faults.clear()
        world.clock.advance(600)
        records.cancel(orders[3])
        refreshes.complete()
        bodies = [request.body or {} for request in sandbox.requests.of(operation)]
        full = [body for body in bodies if "UpdatedUtc" not in body]
        assert full[0]["Limitation"]["Cursor"] == cursor
        assert len(full) == 101 - landed // 10, "the remaining pages, and the empty page at the end"
        refreshes.compare_with_source()
