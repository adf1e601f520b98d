"""The schedules: runs at fixed times in an explicit time zone, on by default.

The environment can change the times (`timetable`). A schedule without a valid time starts no runs and gives the reason
at each tick. Add a schedule here; what it starts is in `jobs`.
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

from pso_pipeline.orchestration.digests import send_digest
from pso_pipeline.orchestration.jobs import full_resync, refresh
from pso_pipeline.orchestration.maintenance import A_FILE, maintain_lake
from pso_pipeline.orchestration.queue import Refresh, is_busy, request_refresh
from pso_pipeline.orchestration.retention import housekeeping
from pso_pipeline.orchestration.runs import REQUESTED_BY
from pso_pipeline.orchestration.shards import DISCOVER
from pso_pipeline.orchestration.timetable import Times, is_sharded
from pso_pipeline.settings import DUCKLAKE_PREFIX, LocalSettings, Settings, SettingsError

Tick = RunRequest | SkipReason


def build_schedules(found: Mapping[str, Times]) -> list[ScheduleDefinition]:
    """Make the schedules from the times of each variable."""
    first, resync, request_resync = refresh.name, full_resync.name, _resync
    if is_sharded():
        first, resync, request_resync = DISCOVER, DISCOVER, _resync_shards
    return [
        _schedule("hourly_refresh", first, found["PSO_REFRESH_CRON"], _refresh_everything),
        _schedule("nightly_look_back", first, found["PSO_LOOK_BACK_CRON"], _look_back),
        _schedule("weekly_full_resync", resync, found["PSO_RESYNC_CRON"], request_resync),
        _schedule("daily_housekeeping", housekeeping.name, found["PSO_HOUSEKEEPING_CRON"], _keep_house),
        _schedule("daily_maintenance", maintain_lake.name, found["PSO_MAINTENANCE_CRON"], _maintain),
        _schedule("weekly_digest", send_digest.name, found["PSO_DIGEST_CRON"], _send_digest),
    ]


def _schedule(
    name: str, job_name: str, times: Times, request: Callable[[ScheduleEvaluationContext, str], Tick]
) -> ScheduleDefinition:
    is_on = times.no_runs is None

    @schedule(
        name=name,
        job_name=job_name,
        cron_schedule=times.cron,
        execution_timezone=times.time_zone,
        default_status=DefaultScheduleStatus.RUNNING if is_on else DefaultScheduleStatus.STOPPED,
        description=f"{request.__doc__} Now: {times.no_runs}." if times.no_runs else request.__doc__,
    )
    def evaluate(context: ScheduleEvaluationContext) -> Tick:
        if times.no_runs is not None:
            return SkipReason(times.no_runs)
        try:
            return request(context, name)
        except SettingsError as error:
            return SkipReason(str(error))

    return evaluate


def _refresh_everything(context: ScheduleEvaluationContext, name: str) -> Tick:
    """Reads the changes of every hotel, computes their metrics, publishes."""
    return request_refresh(context.instance, Refresh(), name) or SkipReason("a refresh of every hotel waits")


def _look_back(context: ScheduleEvaluationContext, name: str) -> Tick:
    """Reads the changes of the last days again, for orders that the source showed late."""
    days = Settings.load().pso_look_back_days
    return request_refresh(context.instance, Refresh(look_back_days=days), name) or SkipReason(
        "a look-back of as many days waits"
    )


def _resync(context: ScheduleEvaluationContext, name: str) -> Tick:
    """Reads all history again and marks orders that the source no longer has."""
    if is_busy(context.instance, full_resync.name):
        return SkipReason("a full resync runs or waits")
    return RunRequest(job_name=full_resync.name, tags={REQUESTED_BY: name})


def _resync_shards(context: ScheduleEvaluationContext, name: str) -> Tick:
    """Reads all history again, one run for each access token, and marks orders that the source no longer has."""
    return request_refresh(context.instance, Refresh(full=True), name) or SkipReason("a full resync waits")


def _keep_house(context: ScheduleEvaluationContext, name: str) -> Tick:
    """Removes the logs and events of old runs, except those that the web UI shows."""
    if is_busy(context.instance, housekeeping.name):
        return SkipReason("a housekeeping run runs or waits")
    return RunRequest(job_name=housekeeping.name, tags={REQUESTED_BY: name})


def _maintain(context: ScheduleEvaluationContext, name: str) -> Tick:
    """Joins the small files of a lake and removes old snapshots; a warehouse in a file needs no maintenance."""
    if not LocalSettings.load().pso_warehouse.startswith(DUCKLAKE_PREFIX):
        return SkipReason(A_FILE)
    if is_busy(context.instance, maintain_lake.name):
        return SkipReason("a maintenance run runs or waits")
    return RunRequest(job_name=maintain_lake.name, tags={REQUESTED_BY: name})


def _send_digest(context: ScheduleEvaluationContext, name: str) -> Tick:
    """Posts what changed in the last 7 and 28 days to the webhook."""
    if Settings.load().pso_alert_webhook is None:
        return SkipReason("PSO_ALERT_WEBHOOK is not set, so there is nowhere to send the digest to")
    if is_busy(context.instance, send_digest.name):
        return SkipReason("a digest is being sent or waits")
    return RunRequest(job_name=send_digest.name, tags={REQUESTED_BY: name})
