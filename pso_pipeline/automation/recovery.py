"""What was killed, put right without a person: dead runs are ended, and a full resync is asked for again.

Refreshes need no such request, since the next one continues. When a run counts as dead is decided in `runs`.
"""

from datetime import UTC, datetime, timedelta

from dagster import (
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from pso_pipeline.automation.queue import REQUESTED_BY
from pso_pipeline.jobs import full_resync, is_ours, sync_orders
from pso_pipeline.runs import end_dead_runs

RECOVERY_SECONDS = 30

ATTEMPT_TAG = "pso/attempt"
"""Tag of a full resync: the how many-th attempt it is."""

MOST_ATTEMPTS = 6

FIRST_PAUSE = timedelta(minutes=5)
"""Between the second attempt and the third; doubles with each one. The second begins at once."""


@sensor(
    job=full_resync,
    minimum_interval_seconds=RECOVERY_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Ends runs whose process is dead, and has a full resync that was interrupted continued.",
)
def killed_runs(context: SensorEvaluationContext) -> SensorResult | SkipReason:
    """End dead runs, so that they hold no slot, and request the weekly resync again where it did not finish."""
    ended = end_dead_runs(context.instance, is_ours)
    for run in ended:
        context.log.warning("run %s of %s was ended: its process is dead", run.run_id, run.job_name)
    request = request_interrupted_resync(context.instance, datetime.now(UTC))
    if request is None:
        return SkipReason(f"{len(ended)} dead run(s) ended")
    return SensorResult(run_requests=[request])


def request_interrupted_resync(instance: DagsterInstance, now: datetime) -> RunRequest | None:
    """Request the full resync again that a schedule asked for and that ended before all was read.

    It continues at its cursors. At most `MOST_ATTEMPTS` in all, further and further apart; `now` is aware.
    """
    records = instance.get_run_records(RunsFilter(job_name=full_resync.name), limit=1)
    if not records:
        return None
    run, ended = records[0].dagster_run, datetime.fromtimestamp(records[0].end_time or 0, UTC)
    if run.status is not DagsterRunStatus.FAILURE or REQUESTED_BY not in run.tags or _has_read(instance, run):
        return None
    attempt = int(run.tags.get(ATTEMPT_TAG, "1"))
    pause = FIRST_PAUSE * 2 ** (attempt - 2) if attempt > 1 else timedelta()
    if attempt >= MOST_ATTEMPTS or now - ended < pause:
        return None
    tags = {REQUESTED_BY: run.tags[REQUESTED_BY], ATTEMPT_TAG: str(attempt + 1)}
    return RunRequest(job_name=full_resync.name, tags=tags)


def _has_read(instance: DagsterInstance, run: DagsterRun) -> bool:
    steps = instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_SUCCESS)
    return any(entry.step_key == sync_orders.name for entry in steps)
