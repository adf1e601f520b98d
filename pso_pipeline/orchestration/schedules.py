"""Schedules: what runs by the clock, running by default, with explicit time zones; movable by the environment.

When they run is judged in `timetable`. A schedule without a valid time has no runs, and says why at each tick.
"""

from collections.abc import Callable, Mapping

from dagster import (
    DefaultScheduleStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from pso_pipeline.orchestration.jobs import full_resync, refresh
from pso_pipeline.orchestration.queue import REQUESTED_BY, Wanted, is_busy, request_refresh
from pso_pipeline.orchestration.timetable import Times
from pso_pipeline.settings import Settings, SettingsError

Outcome = RunRequest | SkipReason


def build_schedules(found: Mapping[str, Times]) -> list[ScheduleDefinition]:
    """Make the three schedules, each with its times."""
    return [
        _schedule("hourly_refresh", refresh.name, found["PSO_REFRESH_CRON"], _refresh_everything),
        _schedule("nightly_look_back", refresh.name, found["PSO_LOOK_BACK_CRON"], _look_back),
        _schedule("weekly_full_resync", full_resync.name, found["PSO_RESYNC_CRON"], _resync),
    ]


def _schedule(
    name: str, job_name: str, times: Times, request: Callable[[ScheduleEvaluationContext, str], Outcome]
) -> ScheduleDefinition:
    is_on = times.no_runs is None

    @schedule(
        name=name,
        job_name=job_name,
        cron_schedule=times.cron,
        execution_timezone=times.time_zone,
        default_status=DefaultScheduleStatus.RUNNING if is_on else DefaultScheduleStatus.STOPPED,
        description=times.no_runs or request.__doc__,
    )
    def evaluate(context: ScheduleEvaluationContext) -> Outcome:
        return request(context, name) if times.no_runs is None else SkipReason(times.no_runs)

    return evaluate


def _refresh_everything(context: ScheduleEvaluationContext, name: str) -> Outcome:
    """Reads what changed in every hotel, derives the metrics of those, publishes."""
    return request_refresh(context.instance, Wanted(), name) or SkipReason("a refresh of everything is waiting")


def _look_back(context: ScheduleEvaluationContext, name: str) -> Outcome:
    """Reads the changes of the last days again, for what became visible at the source after its time."""
    try:
        days = Settings.load().pso_look_back_days
    except SettingsError as error:
        return SkipReason(str(error))
    return request_refresh(context.instance, Wanted(look_back_days=days), name) or SkipReason(
        "a look-back as long is waiting"
    )


def _resync(context: ScheduleEvaluationContext, name: str) -> Outcome:
    """Reads all history again and marks what the source no longer has."""
    if is_busy(context.instance, full_resync.name):
        return SkipReason("a full resync is under way or waiting")
    return RunRequest(job_name=full_resync.name, tags={REQUESTED_BY: name})
