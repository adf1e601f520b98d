"""Readers and a publisher at once, each as fast as it can, in processes of their own.

Short where nothing is said; PSO_STRESS_SECONDS=60 PSO_STRESS_READERS=8 and `--log-cli-level=INFO` give the long form
and its figures.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

from dagster import DagsterInstance

from pso_pipeline.bi.folder import current_snapshot
from pso_pipeline.bi.snapshot import publish
from pso_pipeline.definitions import defs
from pso_pipeline_tests.bi import reader, refreshes
from pso_pipeline_tests.bi.generations import check_whole, read_database_generation, write_generation
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve

logger = logging.getLogger(__name__)

SECONDS = float(os.environ.get("PSO_STRESS_SECONDS", "2"))
READERS = int(os.environ.get("PSO_STRESS_READERS", "2"))
LEAST = 3
"""Publications at least, however slow the machine."""


@contextlib.contextmanager
def readers(bi_dir: Path, published: str) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Start readers and wait until each has read once; what is given ends them and gives their reports."""
    with contextlib.ExitStack() as stack:
        modes = [*["reopen"] * READERS, "hold", "parquet"]
        commands = [[sys.executable, reader.__file__, str(bi_dir), mode, published] for mode in modes]
        processes = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            for command in commands
        ]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == b"reading\n"
        yield lambda: [json.loads(process.communicate()[0]) for process in processes]


def repeat(step: Callable[[], object]) -> int:
    """Take a step again and again for as long as the stress lasts; return how often."""
    times: list[float] = []
    end = monotonic() + SECONDS
    while monotonic() < end or len(times) < LEAST:
        start = perf_counter()
        step()
        times.append(perf_counter() - start)
    logger.info("%d times, %.3f s each, the longest %.3f s", len(times), sum(times) / len(times), max(times))
    return len(times)


def check(reports: list[dict[str, Any]]) -> None:
    for report in reports:
        logger.info("%s", report)
    assert [report["failures"] for report in reports] == [[]] * len(reports)
    assert all(report["reads"] and report["in_order"] for report in reports)
    assert [report["generations"] for report in reports if report["mode"] == "hold"] == [1]


def test_no_read_and_no_publication_fails_and_nobody_sees_a_mixture(marts, bi_dir):
    publish(marts, bi_dir)
    generation = 1

    def publish_next() -> None:
        nonlocal generation
        generation += 1
        write_generation(marts, generation)
        publish(marts, bi_dir)

    with readers(bi_dir, "generations") as end:
        repeat(publish_next)
        reports = end()
    check(reports)
    assert check_whole(current_snapshot(bi_dir)) == generation


def test_nor_while_the_whole_pipeline_refreshes(monkeypatch, bi_dir):
    """Discover, sync from the API, derive, publish, report: the refresh job, on a real instance."""
    world = ScriptedWorld()
    hotels = refreshes.Hotels(world)
    with serve(world, requests_per_window=None) as sandbox, DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", sandbox.address)
        monkeypatch.setenv("MEWS_CLIENT_TOKEN", world.client_token)
        monkeypatch.setenv("MEWS_ACCESS_TOKENS", world.access_token)
        monkeypatch.setenv("PSO_BI_DIR", str(bi_dir))

        def refresh() -> None:
            job = defs.get_job_def("refresh")
            assert job.execute_in_process(instance=instance, raise_on_error=False).success

        def refresh_with_new_orders() -> None:
            hotels.add_orders()
            refresh()

        refresh()
        with readers(bi_dir, "refreshes") as end:
            times = repeat(refresh_with_new_orders)
            reports = end()
    check(reports)
    assert read_database_generation(bi_dir / "pso_bi.duckdb", refreshes.read_generation) == times
