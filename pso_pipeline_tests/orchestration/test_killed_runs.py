"""Runs whose process was killed: ended within minutes with the reason, their slots free; others are left alone."""

import os
import signal
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    DagsterEvent,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    RunsFilter,
    asset,
    instance_for_test,
)

from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.cli.refresh import INTERRUPTED
from pso_pipeline.definitions import defs
from pso_pipeline.orchestration.jobs import is_ours
from pso_pipeline.orchestration.queue import is_busy, is_refreshing
from pso_pipeline.orchestration.recovery import (
    ATTEMPT_TAG,
    FIRST_PAUSE,
    MOST_ATTEMPTS,
    request_interrupted_resync,
    request_killed_refreshes,
)
from pso_pipeline.orchestration.runs import (
    KILLED_TAG,
    MAX_RUNTIME,
    PROCESS_TAG,
    REQUESTED_BY,
    TERMINATION_TIME,
    end_dead_runs,
)
from pso_pipeline_tests.cli.conftest import PSO
from pso_pipeline_tests.fakes.faults import Hang

SOON = timedelta(minutes=2)
LATER = timedelta(minutes=5)
NEVER_BEGAN = "its process ended before it began to work"


class Hanging:
    """Refreshes in processes of their own, which wait for an answer of the API that never comes."""

    def __init__(self, sandbox, home):
        self.home = home
        self._asked = {}
        self._processes = []
        sandbox.faults.add(Hang(), operation="productServiceOrders/getAll", times=None, when=self._note)

    def _note(self, body):
        self._asked[body["Client"]].set()
        return True

    def start(self):
        client = f"refresh {len(self._asked)}"
        self._asked[client] = threading.Event()
        settings = {"DAGSTER_HOME": str(self.home), "MEWS_CLIENT": client}
        process = subprocess.Popen([PSO, "refresh"], env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True)
        self._processes.append(process)
        assert self._asked[client].wait(120)
        return process

    def end(self):
        for process in self._processes:
            kill(process)


@pytest.fixture
def hanging(sandbox, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    hanging = Hanging(sandbox, prepare_dagster_home(tmp_path / "dagster"))
    yield hanging
    hanging.end()


def kill(process):
    process.kill()
    process.wait()
    process.stderr.close()


def runs(instance, *statuses):
    return {run.run_id: run for run in instance.get_runs(RunsFilter(statuses=statuses))}


def test_killed_refreshes_are_failed_and_free_their_slots_and_one_that_lives_goes_on(hanging):
    with DagsterInstance.get() as instance:
        living = hanging.start()
        (alive,) = runs(instance, DagsterRunStatus.STARTED)
        for _ in range(2):
            kill(hanging.start())
        killed = runs(instance, DagsterRunStatus.STARTED).keys() - {alive}
        assert len(killed) == 2
        for run_id in killed:
            instance.event_log_storage.initialize_concurrency_limit_to_default("mews_api")
            instance.event_log_storage.claim_concurrency_slot("mews_api", run_id, "discover")

        ended = end_dead_runs(instance, is_ours, datetime.now(UTC) + SOON)
        assert {run.run_id for run in ended} == killed
        assert runs(instance, DagsterRunStatus.FAILURE).keys() == killed
        assert runs(instance, DagsterRunStatus.STARTED).keys() == {alive}
        assert instance.event_log_storage.get_concurrency_run_ids() == set()
        (lives,) = runs(instance, DagsterRunStatus.STARTED).values()
        assert lives.tags[PROCESS_TAG].startswith(f"PID {living.pid} on ")
        for run_id, run in runs(instance, DagsterRunStatus.FAILURE).items():
            assert run.tags[KILLED_TAG] == "true"
            last = instance.all_logs(run_id)[-1]
            assert "was killed, or the machine was switched off" in last.message
        assert end_dead_runs(instance, is_ours, datetime.now(UTC) + LATER) == []
        assert [path.stem for path in Path(instance.root_directory, "processes").iterdir()] == [alive]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_closed_terminal_and_a_request_to_terminate_end_the_run_as_failed(hanging, number):
    process = hanging.start()
    process.send_signal(number)
    _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (1, f"pso: {INTERRUPTED}\n")
    with DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
        assert run.status is DagsterRunStatus.FAILURE
        assert end_dead_runs(instance, is_ours, datetime.now(UTC) + LATER) == []


def test_the_next_refresh_ends_what_was_killed(hanging, sandbox):
    kill(hanging.start())
    sandbox.faults.clear()
    with DagsterInstance.get() as instance:
        (path,) = Path(instance.root_directory, "processes").iterdir()
        os.utime(path, (0, 0))
        done = subprocess.run([PSO, "refresh"], env={**os.environ, "DAGSTER_HOME": str(hanging.home)}, check=False)
        assert done.returncode == 0
        assert [run.status for run in instance.get_runs()] == [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE]


def start(instance, job="refresh", status=DagsterRunStatus.STARTED, config=None, **tags):
    """A run of which nothing but its state is known, as one has it whose process died at once."""
    run = instance.create_run_for_job(
        defs.resolve_job_def(job),
        run_config=config,
        tags={name.replace("_", "/", 1): value for name, value in tags.items()},
    )
    if status is not DagsterRunStatus.NOT_STARTED:
        instance.report_dagster_event(DagsterEvent("PIPELINE_START", run.job_name), run.run_id)
    if status is DagsterRunStatus.CANCELING:
        instance.report_run_canceling(run)
    return run.run_id


def ended(instance, after):
    return [run.run_id for run in end_dead_runs(instance, is_ours, datetime.now(UTC) + after)]


@pytest.mark.parametrize("status", [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTED])
def test_a_run_that_never_got_a_process_is_failed(daemon, status):
    run = start(daemon.instance, status=status)
    assert ended(daemon.instance, SOON) == []
    assert ended(daemon.instance, LATER) == [run]
    assert daemon.instance.get_run_by_id(run).status is DagsterRunStatus.FAILURE
    assert daemon.instance.all_logs(run)[-1].message.startswith(NEVER_BEGAN)


def test_a_run_has_as_long_to_begin_as_dagster_yaml_says():
    """It may wait for a free worker."""
    monitoring = {"enabled": True, "start_timeout_seconds": 600}
    with instance_for_test(overrides={"run_monitoring": monitoring}) as instance:
        run = start(instance)
        assert ended(instance, timedelta(minutes=10)) == []
        assert ended(instance, timedelta(minutes=12)) == [run]


def test_a_run_that_was_to_be_canceled_is_canceled(daemon):
    run = start(daemon.instance, status=DagsterRunStatus.CANCELING)
    assert ended(daemon.instance, LATER) == [run]
    assert daemon.instance.get_run_by_id(run).status is DagsterRunStatus.CANCELED


@asset
def somebody_elses():
    pass


def test_runs_of_another_code_location_are_left_alone(daemon):
    theirs = Definitions(assets=[somebody_elses]).resolve_implicit_global_asset_job_def()
    run = daemon.instance.create_run_for_job(theirs, asset_selection={somebody_elses.key})
    ours = daemon.instance.create_run_for_job(
        defs.resolve_implicit_global_asset_job_def(), asset_selection={AssetKey("enterprises")}
    )
    assert ended(daemon.instance, LATER) == [ours.run_id]
    assert daemon.instance.get_run_by_id(run.run_id).status is DagsterRunStatus.NOT_STARTED


def test_a_run_of_another_machine_is_judged_by_the_maximum_runtime_alone(daemon):
    run = start(daemon.instance, pso_process="PID 1 on elsewhere")
    assert ended(daemon.instance, MAX_RUNTIME) == []
    assert ended(daemon.instance, MAX_RUNTIME + TERMINATION_TIME + LATER) == [run]
    assert "it took longer than 12 hours" in daemon.instance.all_logs(run)[-1].message


def test_every_job_has_a_maximum_runtime_that_dagster_holds_too():
    for job in ("refresh", "full_resync"):
        assert defs.resolve_job_def(job).tags["dagster/max_runtime"] == str(round(MAX_RUNTIME.total_seconds()))


def test_a_dead_run_counts_for_nothing(daemon, monkeypatch):
    start(daemon.instance, "full_resync")
    start(daemon.instance, "refresh")
    assert is_busy(daemon.instance, "full_resync")
    assert is_refreshing(daemon.instance, SOON)
    monkeypatch.setattr("pso_pipeline.orchestration.runs.start_timeout", lambda _: timedelta())
    assert not is_busy(daemon.instance, "full_resync")
    assert not is_refreshing(daemon.instance, SOON)
    (request,) = daemon.clock("weekly_full_resync").run_requests
    assert request.job_name == "full_resync"


def interrupted(instance, **tags):
    run_id = start(instance, "full_resync", **tags)
    instance.report_run_failed(instance.get_run_by_id(run_id))
    return run_id


def tags_of(attempt):
    return {REQUESTED_BY: "weekly_full_resync", ATTEMPT_TAG: str(attempt)}


def test_a_weekly_resync_that_was_killed_is_continued_at_once_and_then_less_and_less_often(daemon, monkeypatch):
    monkeypatch.setattr("pso_pipeline.orchestration.runs.start_timeout", lambda _: timedelta())
    start(daemon.instance, "full_resync", pso_requested_by="weekly_full_resync")
    (request,) = daemon.tick("killed_runs").run_requests
    assert (request.job_name, request.run_config) == ("full_resync", {})
    assert request.tags.items() >= tags_of(2).items()

    now = datetime.now(UTC)
    interrupted(daemon.instance, pso_requested_by="weekly_full_resync", pso_attempt="2")
    assert request_interrupted_resync(daemon.instance, now) is None
    again = request_interrupted_resync(daemon.instance, now + FIRST_PAUSE * 1.1)
    assert again is not None
    assert again.tags == tags_of(3)

    interrupted(daemon.instance, pso_requested_by="weekly_full_resync", pso_attempt=str(MOST_ATTEMPTS))
    assert request_interrupted_resync(daemon.instance, now + timedelta(days=1)) is None


def test_what_killed_refreshes_were_to_read_is_requested_again_once(daemon, monkeypatch):
    monkeypatch.setattr("pso_pipeline.orchestration.runs.start_timeout", lambda _: timedelta())
    for key in ("astoria", "bristol"):
        config = {"ops": {"sync_orders": {"config": {"enterprises": [key]}}}}
        start(daemon.instance, config=config, pso_requested_by="order_updates")
    start(daemon.instance, "refresh")
    (request,) = daemon.tick("killed_runs").run_requests
    assert (request.job_name, keys_of_request(request)) == ("refresh", ["astoria", "bristol"])
    assert request.tags[ATTEMPT_TAG] == "2"
    assert daemon.tick("killed_runs").run_requests == []

    now = datetime.now(UTC)
    run = start(daemon.instance, "refresh", pso_requested_by="killed_runs", pso_attempt="2")
    daemon.instance.report_run_failed(daemon.instance.get_run_by_id(run))
    assert request_killed_refreshes(daemon.instance, now) is None
    again = request_killed_refreshes(daemon.instance, now + FIRST_PAUSE * 1.1)
    assert again is not None
    assert (again.tags[ATTEMPT_TAG], again.run_config) == ("3", {})


def test_a_refresh_that_failed_by_itself_is_not_repeated(daemon, sandbox, monkeypatch):
    monkeypatch.setenv("PSO_BI_DIR", "data/warehouse.duckdb")
    tags = {REQUESTED_BY: "hourly_refresh"}
    done = defs.get_job_def("refresh").execute_in_process(instance=daemon.instance, tags=tags, raise_on_error=False)
    assert not done.success
    assert daemon.tick("killed_runs").run_requests == []


def keys_of_request(request):
    return request.run_config["ops"]["sync_orders"]["config"]["enterprises"]


def test_a_resync_of_a_person_or_one_that_was_canceled_is_not_continued(daemon):
    interrupted(daemon.instance)
    assert daemon.tick("killed_runs").run_requests == []
    run = start(daemon.instance, "full_resync", pso_requested_by="weekly_full_resync")
    daemon.instance.report_run_canceled(daemon.instance.get_run_by_id(run))
    assert daemon.tick("killed_runs").run_requests == []


def test_a_resync_that_read_everything_is_not_continued(daemon, sandbox, monkeypatch):
    monkeypatch.setenv("PSO_BI_DIR", "data/warehouse.duckdb")
    tags = {REQUESTED_BY: "weekly_full_resync"}
    done = defs.get_job_def("full_resync").execute_in_process(instance=daemon.instance, tags=tags, raise_on_error=False)
    assert not done.success
    assert daemon.tick("killed_runs").run_requests == []
