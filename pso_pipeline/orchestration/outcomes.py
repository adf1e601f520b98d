"""The outcome of the last refresh, for messages and for `pso status`: when it ended, and why it published nothing.

Runs that were killed or interrupted are left out, because the next run continues their work. A refresh that several
machines execute ends with its publication. A shard whose last run could not do its work is a problem until a run of it
can.
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
from pso_pipeline.orchestration.shards import CONCLUDED_TAG, PUBLISH, SHARD_TAG, STAGES

MOST_RUNS = 20
"""Runs of each job that are searched. If all of them were killed, there is no last outcome."""

MOST_SHARD_RUNS = 200
"""Runs of each stage that are searched for the last one of each shard."""

ENDED = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a refresh, aware and UTC, and why it published nothing; None if it published."""

    ended_utc: datetime
    problem: str | None


def read_last_outcome(instance: DagsterInstance) -> Outcome | None:
    """Return the outcome of the last refresh or full resync that was not killed; None if there is none."""
    outcomes = [each for each in (_read_whole(instance), _read_shards(instance)) if each is not None]
    return max(outcomes, key=lambda outcome: outcome.ended_utc, default=None)


def _read_whole(instance: DagsterInstance) -> Outcome | None:
    """Return the outcome of the last refresh that was one run."""
    records = [record for job in (refresh, full_resync) for record in _ended_runs(instance, job.name, MOST_RUNS)]
    for record in sorted(records, key=lambda record: record.end_time or 0.0, reverse=True):
        if (ended := _read_outcome(instance, record)) is not None:
            return ended
    return None


def _read_shards(instance: DagsterInstance) -> Outcome | None:
    """Return when the last publication ended, or the last run that could not do its work, and the first problem."""
    last: dict[str, tuple[str, Outcome]] = {}
    for stage in STAGES:
        for record in _ended_runs(instance, stage, MOST_SHARD_RUNS):
            shard = record.dagster_run.tags.get(SHARD_TAG, stage)
            if shard not in last and (ended := _read_outcome(instance, record)) is not None:
                last[shard] = (stage, ended)
    ends = [ended for stage, ended in last.values() if stage == PUBLISH or ended.problem is not None]
    if not ends:
        return None
    problem = next((ended.problem for ended in ends if ended.problem is not None), None)
    return Outcome(max(ended.ended_utc for ended in ends), problem)


def _ended_runs(instance: DagsterInstance, job_name: str, limit: int) -> Iterator[RunRecord]:
    for record in instance.get_run_records(RunsFilter(job_name=job_name, statuses=ENDED), limit=limit):
        if record.end_time is not None and KILLED_TAG not in record.dagster_run.tags:
            yield record


def _read_outcome(instance: DagsterInstance, record: RunRecord) -> Outcome | None:
    run, ended_utc = record.dagster_run, datetime.fromtimestamp(record.end_time or 0, UTC)
    if run.status is DagsterRunStatus.SUCCESS or CONCLUDED_TAG in run.tags:
        return Outcome(ended_utc, None)
    for event in _step_failures(instance, run.run_id):
        data = event.step_failure_data
        if event.step_key == conclude.name:
            return Outcome(ended_utc, None)
        if data.error is not None and data.error.cls_name in {"KeyboardInterrupt", "DagsterExecutionInterruptedError"}:
            return None
        return Outcome(ended_utc, _describe(event, run.run_id))
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
