"""One step of the pipeline as Dagster runs it, in a process of its own.

`refresh` is the whole job with its checks; `land` (hotels, services and orders) and `derive` (the marts of what
changed) are parts of it. `publish` calls what the job calls. `change_two_months` marks the orders of two months as
changed, as a transaction that changes them does. `migrate` makes the tables of a lake. `start` runs a job that does
nothing: what Dagster itself takes.
"""

import json
import os
import resource
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from pso_pipeline.heap import importing

with importing():  # as `pso` does
    from dagster import DagsterInstance, job, op

    from pso_pipeline.cli.environment import prepare_dagster_home

STEPS = {
    "land": ["discover", "sync_orders"],
    "derive": ["compute_marts"],
    "refresh": None,
}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@op
def nothing() -> None:
    """Do nothing."""


@job
def idle() -> None:
    """Run one op that does nothing."""
    nothing()


def main(step: str) -> None:
    """Run a step; print what it read and what it cost without its start."""
    prepare_dagster_home(Path(os.environ["DAGSTER_HOME"]))
    with DagsterInstance.get() as instance:
        if step == "start":
            idle.execute_in_process(instance=instance, run_config=QUIET)
            return
        # not for `start`: what the code location imports is the pipeline's own cost
        with importing():
            from pso_pipeline.orchestration.definitions import PIPELINE, defs

        received = _count_requests()
        began, before = time.monotonic(), _cpu()
        if step == "publish":
            _publish(PIPELINE)
        elif step == "migrate":
            PIPELINE.warehouse().make()
        elif step == "change_two_months":
            _change_two_months(PIPELINE)
        else:
            result: Any = defs.get_job_def("refresh").execute_in_process(
                instance=instance, run_config=QUIET, op_selection=STEPS[step]
            )
        after = _cpu()
    measured = {
        "step_cpu": after - before,
        "step_wall": time.monotonic() - began,
        **received,
    }
    if step in {"land", "refresh"}:
        report = result.output_for_node("sync_orders")
        measured["orders"] = sum(each.created + each.changed for each in report.enterprises)
    print(json.dumps(measured))


def _change_two_months(pipeline: Any) -> None:
    """Raise the version of the two latest whole months of each large table, and of each small table."""
    with pipeline.warehouse().open() as connection:
        connection.execute(
            """
            UPDATE internal.table_versions SET version = version + 1
            WHERE created_month IS NULL OR created_month IN (
                SELECT DISTINCT created_month FROM internal.table_versions
                WHERE created_month IS NOT NULL ORDER BY created_month DESC LIMIT 2 OFFSET 1
            )
            """
        )


def _publish(pipeline: Any) -> None:
    """Publish the snapshot and its report."""
    from pso_pipeline.orchestration.steps import publish_snapshot

    publish_snapshot(pipeline)


def _cpu() -> float:
    """Return the CPU seconds of this process and of its ended children."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _count_requests() -> Counter[str]:
    """Count requests and bytes of every client that is closed from now on."""
    from pso_pipeline.mews.client import MewsClient

    received: Counter[str] = Counter()
    close = MewsClient.aclose

    async def count_and_close(client: MewsClient) -> None:
        for tally in client.tallies.values():
            received["requests"] += tally.requests
            received["received_bytes"] += tally.bytes_received
        await close(client)

    mock.patch.object(MewsClient, "aclose", count_and_close).start()
    # the clock of the sandbox stands still at a day of its own
    mock.patch("pso_pipeline.mews.responses.CLOCK_TOLERANCE", timedelta.max).start()
    return received


if __name__ == "__main__":
    main(sys.argv[1])
