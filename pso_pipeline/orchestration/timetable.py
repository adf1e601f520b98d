"""What is read from the environment while the code location loads: times, and whether refreshes are divided into runs.

A wrong value does not break the loading. It is logged in one line, and its schedule starts no runs.
"""

import logging
from dataclasses import dataclass
from zoneinfo import available_timezones

from dagster import DagsterInvalidDefinitionError, ScheduleDefinition

from pso_pipeline.environment import unreadable_file
from pso_pipeline.settings import DOCUMENTATION, SettingsError, ShardSettings, Timetable

OFF = "off"
ANY_TIME = "0 0 * * *"
"""Time of a schedule that is off or has no valid time; it requests no run."""

SHORTEST_SECONDS = 5
LONGEST_SECONDS = 86_400

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Times:
    """The time of a schedule, and the reason why it starts no runs; None if it starts them."""

    cron: str
    time_zone: str
    no_runs: str | None = None


def times_of(variable: str, cron: str, time_zone: str) -> Times:
    """Validate a cron line from the named variable, and the time zone from `PSO_TIME_ZONE`."""
    cron = cron.strip()
    if cron.lower() == OFF:
        return Times(ANY_TIME, "UTC", f"{variable} is off")
    if not _is_valid_cron(cron):
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


def read_times() -> dict[str, Times]:
    """Read the times of the schedules, by variable, and log those that are not valid."""
    if problem := unreadable_file():
        _LOG.warning("%s; see %s", problem, DOCUMENTATION)
    read = Timetable.read()
    crons = {
        "PSO_REFRESH_CRON": read.pso_refresh_cron,
        "PSO_LOOK_BACK_CRON": read.pso_look_back_cron,
        "PSO_RESYNC_CRON": read.pso_resync_cron,
        "PSO_HOUSEKEEPING_CRON": read.pso_housekeeping_cron,
        "PSO_MAINTENANCE_CRON": read.pso_maintenance_cron,
        "PSO_DIGEST_CRON": read.pso_digest_cron,
    }
    found = {variable: times_of(variable, cron, read.pso_time_zone.strip()) for variable, cron in crons.items()}
    for problem in dict.fromkeys(each.no_runs for each in found.values() if each.no_runs):
        if not problem.endswith(" is off"):
            _LOG.warning("%s", problem)
    return found


def read_updates_seconds() -> int:
    """Read the seconds between two polls for changes; log a value that is not valid and return the default."""
    text = Timetable.read().pso_updates_seconds.strip()
    if text.isdecimal() and SHORTEST_SECONDS <= int(text) <= LONGEST_SECONDS:
        return int(text)
    _LOG.warning(
        "PSO_UPDATES_SECONDS is not valid: it takes a whole number from %d to %d; see %s",
        SHORTEST_SECONDS,
        LONGEST_SECONDS,
        DOCUMENTATION,
    )
    return int(Timetable.model_fields["pso_updates_seconds"].default)


def is_sharded() -> bool:
    """Read whether refreshes are divided into runs of shards; log a value that is not valid and return False."""
    try:
        return ShardSettings.load().pso_sharded
    except SettingsError as error:
        _LOG.warning("%s", error)
        return False


def _is_valid_cron(cron: str) -> bool:
    """Whether Dagster accepts a cron line."""
    try:
        ScheduleDefinition(name="valid", cron_schedule=cron, job_name="refresh")
    except DagsterInvalidDefinitionError:
        return False
    return True
