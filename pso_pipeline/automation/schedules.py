"""Schedules: what runs by the clock, running by default, with explicit time zones."""

from dagster import DefaultScheduleStatus, RunRequest, ScheduleEvaluationContext, SkipReason, schedule

from pso_pipeline.automation.queue import is_busy
from pso_pipeline.jobs import refresh


@schedule(
    job=refresh,
    cron_schedule="0 * * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Every hour: read what changed in every hotel, derive, publish.",
)
def hourly_refresh(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
    """Refresh everything on the hour, unless a refresh is already under way or waiting."""
    if is_busy(context.instance, refresh.name):
        return SkipReason("a refresh is already under way or waiting; it reads the same changes")
    return RunRequest()
