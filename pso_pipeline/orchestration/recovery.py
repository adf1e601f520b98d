"""Recovery from killed runs: they are marked as ended, and what they were to read is requested again.

A poll reports a change once, so the refresh that it requested must not be lost. When a run counts as dead is decided in
`runs`.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from dagster import (
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRecord,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from pso_pipeline.orchestration.jobs import full_resync, is_ours, refresh, sync_orders
from pso_pipeline.orchestration.liveness import decode_signs, look_for_signs
from pso_pipeline.orchestration.queue import Refresh, refresh_of, request_run
from pso_pipeline.orchestration.runs import REQUESTED_BY, end_dead_runs
from pso_pipeline.orchestration.shard_jobs import SHARD_JOBS
from pso_pipeline.orchestration.shards import CONCLUDED_TAG, REFRESH_TAG, SHARD_TAG, STAGES

RECOVERY_SECONDS = 30

ATTEMPT_TAG = "pso/attempt"
"""Tag with the number of the attempt, on a run that repeats an interrupted one."""

REPEATED_TAG = "pso/repeated"
"""Tag of a killed refresh that another refresh repeats."""

REPEAT_WITHIN = timedelta(hours=1)
"""The hourly refresh covers refreshes that were killed longer ago than this."""

MOST_RUNS = 5
"""The number of latest failed refreshes that are searched."""

MOST_SHARD_RUNS = 50
"""The number of latest failed runs of each stage that are searched."""

MOST_ATTEMPTS = 6

FIRST_PAUSE = timedelta(minutes=5)
"""Pause between the second attempt and the third; it doubles with each attempt. The second begins at once."""


@sensor(
    jobs=[full_resync, refresh, *SHARD_JOBS.values()],
    minimum_interval_seconds=RECOVERY_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Marks runs whose process is dead as ended, and requests again what they were to read.",
)
def killed_runs(context: SensorEvaluationContext) -> SensorResult:
    """Mark dead runs as ended, so that they occupy no slot, and request again what they were to read."""
    signs, silent = look_for_signs(context.instance, decode_signs(context.cursor), datetime.now(UTC))
    ended = end_dead_runs(context.instance, is_ours, silent=silent)
    for run in ended:
        context.log.warning("run %s of %s was marked as ended: its process is dead", run.run_id, run.job_name)
    now = datetime.now(UTC)
    requests = [request_interrupted_resync(context.instance, now), request_killed_refreshes(context.instance, now)]
    found = [request for request in requests if request is not None]
    found += request_killed_shards(context.instance, now)
    return SensorResult(
        run_requests=found,
        skip_reason=None if found else f"{len(ended)} dead run(s) ended",
        cursor=msgspec.json.encode(signs).decode(),
    )


def request_killed_refreshes(instance: DagsterInstance, now: datetime) -> RunRequest | None:
    """Request one refresh for everything that killed refreshes of sensors and schedules were to read.

    There are at most `MOST_ATTEMPTS` in a row, with growing pauses. `now` is aware.
    """
    killed = _find_killed(instance, refresh.name, now, MOST_RUNS)
    return _repeat(instance, refresh.name, killed, now, {}) if killed else None


def request_killed_shards(instance: DagsterInstance, now: datetime) -> list[RunRequest]:
    """Request again every killed run of a shard that a sensor or schedule had requested, each as a refresh of its own.

    There are at most `MOST_ATTEMPTS` of each in a row, with growing pauses. `now` is aware.
    """
    requests = []
    for stage in STAGES:
        killed: dict[str, list[RunRecord]] = {}
        for record in _find_killed(instance, stage, now, MOST_SHARD_RUNS):
            killed.setdefault(record.dagster_run.tags.get(SHARD_TAG, stage), []).append(record)
        for shard, records in killed.items():
            tags = {SHARD_TAG: shard, REFRESH_TAG: uuid.uuid4().hex}
            requests.append(_repeat(instance, stage, records, now, tags))
    return [request for request in requests if request is not None]


def _repeat(
    instance: DagsterInstance, job_name: str, killed: Sequence[RunRecord], now: datetime, tags: Mapping[str, str]
) -> RunRequest | None:
    """Request one run for everything that these killed runs of a job were to read, if the next attempt may begin."""
    runs = [record.dagster_run for record in killed]
    attempt = max(map(_attempt_of, runs))
    if not _is_due(attempt, max(record.end_time or 0 for record in killed), now):
        return None
    wanted = refresh_of(runs[0]) or Refresh()
    for run in runs:
        wanted = wanted.merged_with(refresh_of(run) or Refresh())
        instance.add_run_tags(run.run_id, {REPEATED_TAG: "true"})
    return request_run(instance, job_name, wanted, killed_runs.name, {**tags, ATTEMPT_TAG: str(attempt + 1)})


def _find_killed(instance: DagsterInstance, job_name: str, now: datetime, limit: int) -> list[RunRecord]:
    """Return the latest runs of a job that a sensor or schedule requested and that were killed or interrupted."""
    failed = RunsFilter(job_name=job_name, statuses=[DagsterRunStatus.FAILURE], updated_after=now - REPEAT_WITHIN)
    return [
        record
        for record in instance.get_run_records(failed, limit=limit)
        if REQUESTED_BY in record.dagster_run.tags
        and not {REPEATED_TAG, CONCLUDED_TAG} & record.dagster_run.tags.keys()
        and not instance.all_logs(record.dagster_run.run_id, of_type=DagsterEventType.STEP_FAILURE)
    ]


def request_interrupted_resync(instance: DagsterInstance, now: datetime) -> RunRequest | None:
    """Request again the scheduled full resync that ended before everything was read.

    It continues at its cursors. There are at most `MOST_ATTEMPTS`, with growing pauses. `now` is aware.
    """
    records = instance.get_run_records(RunsFilter(job_name=full_resync.name), limit=1)
    if not records:
        return None
    run = records[0].dagster_run
    if run.status is not DagsterRunStatus.FAILURE or REQUESTED_BY not in run.tags or _has_read(instance, run):
        return None
    attempt = _attempt_of(run)
    if not _is_due(attempt, records[0].end_time or 0, now):
        return None
    tags = {REQUESTED_BY: run.tags[REQUESTED_BY], ATTEMPT_TAG: str(attempt + 1)}
    return RunRequest(job_name=full_resync.name, tags=tags)


def _attempt_of(run: DagsterRun) -> int:
    return int(run.tags.get(ATTEMPT_TAG, "1"))


def _is_due(attempt: int, ended: float, now: datetime) -> bool:
    """Whether the next attempt may begin; the one before ended at `ended` (seconds since 1970)."""
    pause = FIRST_PAUSE * 2 ** (attempt - 2) if attempt > 1 else timedelta()
    return attempt < MOST_ATTEMPTS and now - datetime.fromtimestamp(ended, UTC) >= pause


def _has_read(instance: DagsterInstance, run: DagsterRun) -> bool:
    steps = instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_SUCCESS)
    return any(entry.step_key == sync_orders.name for entry in steps)
