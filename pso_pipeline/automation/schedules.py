"""Schedules: what runs by the clock, running by default, with explicit time zones; movable by the environment.

Times come from `settings.Timetable`. One that is not valid leaves its schedule without runs, and says so in one line:
when the code location loads, and at each tick.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import available_timezones

from dagster import (
    DefaultScheduleStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)
from dagster._utils.schedules import is_valid_cron_string

from pso_pipeline.automation.queue import REQUESTED_BY, Wanted, is_busy, request_refresh
from pso_pipeline.jobs import full_resync, refresh
from pso_pipeline.settings import DOCUMENTATION, Settings, SettingsError, Timetable

OFF = "off"
ANY_TIME = "0 0 * * *"
"""Stands for the time of a schedule that has none; it never requests a run."""

Outcome = RunRequest | SkipReason

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Times:
    """When a schedule runs, and why it does not: None where it does."""

    cron: str
    time_zone: str
    no_runs: str | None = None


def times_of(variable: str, cron: str, time_zone: str) -> Times:
    """Judge a cron line and its time zone, from the named variable and `PSO_TIME_ZONE`."""
    cron = cron.strip()
    if cron.lower() == OFF:
        return Times(ANY_TIME, "UTC", f"{variable} is off")
    if not is_valid_cron_string(cron):
        return Times(
            ANY_TIME,
            "UTC",
            f"{variable} is not valid: it takes five cron fields like '30 2 * * *', or off; see {DOCUMENTATION}",
        )
    if time_zone not in available_timezones():
        return Times(
            ANY_TIME,
            "UTC",
            f"PSO_TIME_ZONE is not valid: it takes an IANA time zone like Europe/Prague; see {DOCUMENTATION}",
        )
    return Times(cron, time_zone)


def timetable() -> dict[str, Times]:
    """Read when each schedule runs, by its variable; logs what is not valid."""
    try:
        read = Timetable()
    except UnicodeDecodeError:
        read = Timetable(_env_file=None)
        _LOG.warning(".env is not UTF-8 text: save it as UTF-8, see %s", DOCUMENTATION)
    crons = {
        "PSO_REFRESH_CRON": read.pso_refresh_cron,
        "PSO_LOOK_BACK_CRON": read.pso_look_back_cron,
        "PSO_RESYNC_CRON": read.pso_resync_cron,
    }
    found = {variable: times_of(variable, cron, read.pso_time_zone.strip()) for variable, cron in crons.items()}
    for problem in dict.fromkeys(each.no_runs for each in found.values() if each.no_runs):
        if not problem.endswith(" is off"):
            _LOG.warning("%s", problem)
    return found


def build_schedules(found: dict[str, Times]) -> list[ScheduleDefinition]:
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
