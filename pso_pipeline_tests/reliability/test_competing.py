"""Tests of several processes that share one rate limit and one warehouse."""

from pso_pipeline.sandbox.world import GeneratedWorld
from pso_pipeline_tests.fakes.server import serve
from pso_pipeline_tests.processes import finish
from pso_pipeline_tests.reliability.competing import compete
from pso_pipeline_tests.reliability.refreshes import Refreshes


def test_four_refreshes_at_once_stay_within_the_limit_and_land_once(tmp_path):
    """`python -m pso_pipeline_tests.reliability.competing` is the long form, with the documented limit."""
    figures = compete(tmp_path, requests_per_window=40, window_seconds=1.0, orders=1_500, page_size=20)
    assert figures["busiest window"] <= 40
    assert figures["answered 429"] == 0
    for records in ("orders", "items"):
        assert figures[f"requests for {records}"] > 80, "too few requests to reach the limit"
    assert figures["orders"] > 900


def test_a_full_resync_beside_refreshes_marks_nothing(tmp_path):
    world = GeneratedWorld(seed=3, enterprises=3, orders=1_500)
    world.clock.freeze()
    with serve(world, requests_per_window=None) as sandbox:
        refreshes = Refreshes(sandbox, tmp_path)
        refreshes.complete()
        world.clock.advance(86_400)
        processes = [refreshes.start(is_full=is_full) for is_full in (True, False, True)]
        world.clock.advance(86_400)
        for process in processes:
            finish(process)
        refreshes.complete()
        refreshes.compare_with_source()
        assert refreshes.query("SELECT count(*) FROM mews.full_read_ids") == [(0,)]
