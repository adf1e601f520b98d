"""The schedules: when they run, how the environment moves them, and that it cannot break the loading."""

import subprocess
import sys
from pathlib import Path

import pytest
from dagster import DagsterRunStatus, DefaultScheduleStatus

from pso_pipeline.definitions import defs
from pso_pipeline.orchestration.schedules import build_schedules
from pso_pipeline.orchestration.timetable import read_times, read_updates_seconds
from pso_pipeline.settings import Timetable


def made():
    return {each.name: each for each in build_schedules(read_times())}


def times(schedules):
    return {
        name: (each.cron_schedule, each.execution_timezone, each.default_status) for name, each in schedules.items()
    }


RUNNING, STOPPED = DefaultScheduleStatus.RUNNING, DefaultScheduleStatus.STOPPED


def test_all_but_the_digest_run_by_default_in_utc():
    assert times(made()) == {
        "hourly_refresh": ("0 * * * *", "UTC", RUNNING),
        "nightly_look_back": ("30 2 * * *", "UTC", RUNNING),
        "weekly_full_resync": ("30 3 * * 0", "UTC", RUNNING),
        "daily_housekeeping": ("15 4 * * *", "UTC", RUNNING),
        "daily_maintenance": ("45 4 * * *", "UTC", RUNNING),
        "weekly_digest": ("0 0 * * *", "UTC", STOPPED),
    }


def test_the_environment_moves_them_and_switches_them_off(monkeypatch):
    monkeypatch.setenv("PSO_REFRESH_CRON", "*/15 6-22 * * *")
    monkeypatch.setenv("PSO_LOOK_BACK_CRON", "OFF")
    monkeypatch.setenv("PSO_TIME_ZONE", "Europe/Prague")
    found = times(made())
    assert found["hourly_refresh"] == ("*/15 6-22 * * *", "Europe/Prague", RUNNING)
    assert found["nightly_look_back"][2] == STOPPED
    assert found["weekly_full_resync"] == ("30 3 * * 0", "Europe/Prague", RUNNING)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PSO_RESYNC_CRON", "0 25 * * *"),
        ("PSO_RESYNC_CRON", "every sunday"),
        ("PSO_RESYNC_CRON", "0 0 30 2 *"),
        ("PSO_TIME_ZONE", "Middle/Earth"),
    ],
)
def test_one_that_is_not_valid_is_one_line_and_never_requests_a_run(monkeypatch, caplog, variable, value):
    monkeypatch.setenv(variable, value)
    schedules = made()
    (record,) = caplog.records
    line = record.getMessage()
    assert line.startswith(f"{variable} is not valid: it takes ")
    assert schedules["weekly_full_resync"].default_status == STOPPED
    assert f"Now: {line}." in schedules["weekly_full_resync"].description
    on_by_default = schedules.keys() - {"weekly_full_resync", "weekly_digest"}
    others = {schedules[name].default_status for name in on_by_default}
    assert others == ({RUNNING} if variable == "PSO_RESYNC_CRON" else {STOPPED})


@pytest.mark.parametrize(("value", "seconds", "lines"), [("300", 300, 0), ("4", 30, 1), ("often", 30, 1)])
def test_looks_for_changes_are_as_far_apart_as_configured(monkeypatch, caplog, value, seconds, lines):
    monkeypatch.setenv("PSO_UPDATES_SECONDS", value)
    assert read_updates_seconds() == seconds
    assert len(caplog.records) == lines


def test_the_code_location_loads_in_a_fresh_interpreter_whatever_the_times_are(monkeypatch, tmp_path):
    monkeypatch.setenv("PSO_REFRESH_CRON", "nonsense")
    (tmp_path / ".env").write_bytes(b"PSO_TIME_ZONE=\xff\n")
    program = "import pso_pipeline.definitions as found; print(len(found.defs.schedules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == ["6"]
    assert sorted(line.split(" is not ")[0] for line in loaded.stderr.splitlines()) == [".env", "PSO_REFRESH_CRON"]


def test_the_hourly_refresh_reads_everything_and_joins_one_that_waits(daemon, sandbox):
    outcome = daemon.clock("hourly_refresh")
    (request,) = outcome.run_requests
    assert (request.job_name, request.run_config) == ("refresh", {})
    assert request.tags["pso/requested_by"] == "hourly_refresh"


def test_the_look_back_reads_as_many_days_as_configured(daemon, sandbox, monkeypatch):
    monkeypatch.setenv("PSO_LOOK_BACK_DAYS", "5")
    (request,) = daemon.clock("nightly_look_back").run_requests
    assert request.run_config == {"ops": {"sync_orders": {"config": {"look_back_days": 5.0}}}}
    monkeypatch.setenv("PSO_LOOK_BACK_DAYS", "a week")
    assert daemon.clock("nightly_look_back").skip_message.startswith("PSO_LOOK_BACK_DAYS is not valid: ")


def test_the_resync_reads_all_history_and_does_not_pile_up(daemon, sandbox):
    (request,) = daemon.clock("weekly_full_resync").run_requests
    assert request.job_name == "full_resync"
    daemon.instance.create_run_for_job(defs.resolve_job_def("full_resync"), status=DagsterRunStatus.STARTED)
    assert daemon.clock("weekly_full_resync").skip_message == "a full resync runs or waits"


def test_the_page_about_automation_names_what_there_is_and_its_defaults():
    page = (Path(__file__).parents[2] / "docs" / "automation.md").read_text(encoding="utf-8")
    for each in (*(defs.schedules or ()), *(defs.sensors or ())):
        assert f"`{each.name}`" in page
    for name, field in Timetable.model_fields.items():
        assert f"`{name.upper()}`" in page
        assert str(field.default) in page
