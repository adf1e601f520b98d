"""Runs on other machines: one that shows no sign of life is ended within minutes, whatever the clocks say."""

from datetime import UTC, datetime, timedelta

import pytest
from dagster import DagsterRunStatus

from pso_pipeline.orchestration.liveness import Signs, look_for_signs, signs_of_life
from pso_pipeline.orchestration.runs import PROCESS_TAG, REQUESTED_BY
from pso_pipeline.orchestration.shards import SHARD_TAG
from pso_pipeline_tests.cli.test_serving import wait_for
from pso_pipeline_tests.orchestration.test_killed_runs import start

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOOK = timedelta(seconds=30)
SILENT_AFTER = timedelta(minutes=5)
TAGS = {SHARD_TAG: "publish", PROCESS_TAG: "PID 1 on elsewhere", REQUESTED_BY: "hourly_refresh"}


@pytest.fixture
def run(daemon):
    """A run of a shard on another machine."""
    run_id = start(daemon.instance, "publish", **{name.replace("/", "_", 1): value for name, value in TAGS.items()})
    return daemon.instance.get_run_by_id(run_id)


def look_for(instance, span, signs, now):
    """Look every 30 seconds for so long, and return what was found last."""
    silent: list[str] = []
    for _ in range(span // LOOK):
        now += LOOK
        signs, silent = look_for_signs(instance, signs, now)
    return signs, silent, now


def test_a_run_without_a_sign_for_five_minutes_is_dead_and_each_sign_gives_it_the_time_again(daemon, run, monkeypatch):
    signs, silent, now = look_for(daemon.instance, SILENT_AFTER, Signs(), NOW)
    assert silent == []
    monkeypatch.setenv("PSO_SILENT_SECONDS", "0.05")
    with signs_of_life(daemon.instance, run):
        key = f"pso/alive/{run.run_id}"
        wait_for(lambda: int(daemon.instance.daemon_cursor_storage.get_cursor_values({key}).get(key, "0")) > 2)
    monkeypatch.delenv("PSO_SILENT_SECONDS")
    signs, silent, now = look_for(daemon.instance, SILENT_AFTER, signs, now)
    assert silent == []
    signs, silent, now = look_for(daemon.instance, timedelta(minutes=1), signs, now)
    assert silent == [run.run_id]


def test_after_a_pause_of_the_one_who_looks_every_run_has_the_time_again(daemon, run):
    signs, _, now = look_for(daemon.instance, SILENT_AFTER, Signs(), NOW)
    signs, silent, now = look_for(daemon.instance, LOOK, signs, now + timedelta(hours=1))
    assert silent == []


@pytest.mark.parametrize(("is_sharded", "expected"), [("1", True), ("0", False), ("wrong", False)])
def test_where_several_machines_execute_runs_those_of_no_shard_show_signs_too(
    daemon, monkeypatch, is_sharded, expected
):
    monkeypatch.setenv("PSO_SHARDED", is_sharded)
    run_id = start(daemon.instance, "maintain", pso_process="PID 1 on elsewhere")
    with signs_of_life(daemon.instance, daemon.instance.get_run_by_id(run_id)):
        pass
    signs, silent, now = look_for(daemon.instance, SILENT_AFTER, Signs(), NOW)
    assert (run_id in signs.of_runs, silent) == (expected, [])
    _, silent, _ = look_for(daemon.instance, timedelta(minutes=1), signs, now)
    assert silent == ([run_id] if expected else [])


def test_the_sensor_ends_it_and_requests_it_again(daemon, run, monkeypatch):
    assert daemon.tick("killed_runs").run_requests == []
    monkeypatch.setenv("PSO_SILENT_SECONDS", "0.001")
    (request,) = daemon.tick("killed_runs").run_requests
    assert (request.job_name, request.tags[SHARD_TAG]) == ("publish", "publish")
    ended = daemon.instance.get_run_by_id(run.run_id)
    assert ended.status is DagsterRunStatus.FAILURE
    assert "PID 1 on elsewhere shows no sign of life" in daemon.instance.all_logs(run.run_id)[-1].message
