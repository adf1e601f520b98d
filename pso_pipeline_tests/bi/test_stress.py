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
from pathlib import Path
from time import monotonic, perf_counter

from pso_pipeline.bi.folder import current_snapshot
from pso_pipeline.bi.snapshot import publish
from pso_pipeline_tests.bi import reader
from pso_pipeline_tests.bi.generations import check_whole, write_generation

logger = logging.getLogger(__name__)

SECONDS = float(os.environ.get("PSO_STRESS_SECONDS", "2"))
READERS = int(os.environ.get("PSO_STRESS_READERS", "2"))


def start_reader(bi_dir: Path, mode: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, reader.__file__, str(bi_dir), mode]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_no_read_and_no_publication_fails_and_nobody_sees_a_mixture(marts, bi_dir):
    publish(marts, bi_dir)
    times: list[float] = []
    with contextlib.ExitStack() as stack:
        modes = [*["reopen"] * READERS, "hold", "parquet"]
        readers = [stack.enter_context(start_reader(bi_dir, mode)) for mode in modes]
        for process in readers:
            assert process.stdout
            assert process.stdout.readline() == b"reading\n"
        end = monotonic() + SECONDS
        while monotonic() < end or len(times) < 3:
            write_generation(marts, len(times) + 2)
            start = perf_counter()
            publish(marts, bi_dir)
            times.append(perf_counter() - start)
        reports = [json.loads(process.communicate()[0]) for process in readers]

    logger.info("%d publications, %.3f s each, the longest %.3f s", len(times), sum(times) / len(times), max(times))
    for report in reports:
        logger.info("%s", report)
    assert [report["failures"] for report in reports] == [[]] * len(reports)
    assert all(report["reads"] and report["in_order"] for report in reports)
    assert [report["generations"] for report in reports if report["mode"] == "hold"] == [1]
    assert check_whole(current_snapshot(bi_dir)) == len(times) + 1
