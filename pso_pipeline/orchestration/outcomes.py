"""How the last refresh ended, for messages and for `pso status`: when, and why it published nothing, where it did not.

Runs that were killed or interrupted have no say: the next one continues.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dagster import (
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    RunRecord,
    RunsFilter,
)

from pso_pipeline.orchestration.jobs import conclude, full_resync, refresh
from pso_pipeline.orchestration.runs import KILLED_TAG

MOST_RUNS = 20
"""Runs of each job that are looked through; where all of these were killed, none counts as ended."""


@dataclass(frozen=True, slots=True)
class Ended:
    """When a refresh ended, aware and UTC, and why nothing was published; None where something was."""

    ended_utc: datetime
    problem: str | None


def read_last_ended(instance: DagsterInstance) -> Ended | None:
    """Tell how the last refresh or full resync ended that was not killed; None where there is none."""
    statuses = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE]
    records = [
        record
        for job in (refresh, full_resync)
        for record in instance.get_run_records(RunsFilter(job_name=job.name, statuses=statuses), limit=MOST_RUNS)
        if record.end_time is not None and KILLED_TAG not in record.dagster_run.tags
    ]
    for record in sorted(records, key=lambda record: record.end_time or 0.0, reverse=True):
        if (ended := _read_ended(instance, record)) is not None:
            return ended
    return None


def _read_ended(instance: DagsterInstance, record: RunRecord) -> Ended | None:
    run, ended_utc = record.dagster_run, datetime.fromtimestamp(record.end_time or 0, UTC)
    if run.status is DagsterRunStatus.SUCCESS:
        return Ended(ended_utc, None)
    for event in _step_failures(instance, run.run_id):
        data = event.step_failure_data
        if event.step_key == conclude.name:
            return Ended(ended_utc, None)
        if data.error is not None and data.error.cls_name in {"KeyboardInterrupt", "DagsterExecutionInterruptedError"}:
            return None
        return Ended(ended_utc, _describe(event, run.run_id))
    return None


def _step_failures(instance: DagsterInstance, run_id: str) -> Iterator[DagsterEvent]:
    entries = instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE)
    return (entry.dagster_event for entry in entries if entry.dagster_event is not None)


def _describe(event: DagsterEvent, run_id: str) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    said = data.error.message.strip().splitlines()[0] if data.error else "no reason is known"
    return f"{event.step_key} failed in run {run_id}: {said}"
