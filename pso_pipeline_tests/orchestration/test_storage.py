"""Dagster's storage with connections that stay open: Dagster's own files, read and written by either."""

import contextlib
import gc
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance, OpExecutionContext, job, op
from sqlalchemy import event
from sqlalchemy.engine import Engine

from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.orchestration.storage import RUNS_KEPT_OPEN, _OpenEventLog
from pso_pipeline_tests.processes import PROCESSES, finish

EVENTS = 20


@op
def materialize(context: OpExecutionContext) -> None:
    for number in range(EVENTS):
        context.log_event(AssetMaterialization("hotels", partition=f"hotel-{number}"))


@job
def materializing() -> None:
    materialize()


@pytest.fixture
def home(tmp_path):
    return prepare_dagster_home(tmp_path / "dagster")


@pytest.fixture
def opened():
    """The files of Dagster that were opened, one entry for each time."""
    files: list[str] = []

    def note(dialect, _record, arguments, _options):
        files.append(arguments[0] if dialect.name == "sqlite" else "")

    event.listen(Engine, "do_connect", note)
    yield files
    event.remove(Engine, "do_connect", note)


def open_files(folder: Path) -> list[str]:
    files = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sorted(path.name for path in files if path.suffix == ".db" and path.is_relative_to(folder))


def partitions(instance: DagsterInstance) -> set[str]:
    return instance.get_materialized_partitions(AssetKey("hotels"))


EXPECTED = {f"hotel-{number}" for number in range(EVENTS)}


def test_events_open_no_file_anew(home, opened):
    with DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, _OpenEventLog)
        opened.clear()
        result = materializing.execute_in_process(instance=instance)
        assert partitions(instance) == EXPECTED
        assert len(instance.all_logs(result.run_id)) > EVENTS
    assert len(opened) < EVENTS / 2
    assert any(result.run_id in file for file in opened)


def test_dagster_s_own_storage_reads_and_writes_the_same_files(home):
    with DagsterInstance.get() as instance:
        first = materializing.execute_in_process(instance=instance).run_id
    yaml = (home / "dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with DagsterInstance.get() as instance:
        assert not isinstance(instance.event_log_storage, _OpenEventLog)
        assert partitions(instance) == EXPECTED
        second = materializing.execute_in_process(instance=instance).run_id
    (home / "dagster.yaml").write_text(yaml, encoding="utf-8")
    with DagsterInstance.get() as instance:
        assert {run.run_id for run in instance.get_runs()} == {first, second}
        logs = [len(instance.all_logs(run_id)) for run_id in (first, second)]
        assert logs[0] == logs[1] > EVENTS


def test_few_files_stay_open_and_none_after_the_instance_is_closed(home):
    with DagsterInstance.get() as instance:
        runs = [materializing.execute_in_process(instance=instance).run_id for _ in range(RUNS_KEPT_OPEN + 2)]
        logs = [file for file in open_files(home) if file[:-3] in {*runs, "index"}]
        assert len(logs) == RUNS_KEPT_OPEN
        assert f"{runs[-1]}.db" in logs
        assert f"{runs[0]}.db" not in logs
        assert len(instance.all_logs(runs[0])) > EVENTS, "a run whose file was closed is opened again"
    gc.collect()
    assert open_files(home) == []


def test_an_instance_that_was_wiped_goes_on(home):
    with DagsterInstance.get() as instance:
        materializing.execute_in_process(instance=instance)
        instance.wipe()
        assert partitions(instance) == set()
        result = materializing.execute_in_process(instance=instance)
        assert partitions(instance) == EXPECTED
        assert len(instance.all_logs(result.run_id)) > EVENTS


def test_another_instance_sees_each_event_as_it_is_stored(home):
    """As the web server sees a run of another process."""
    with DagsterInstance.get() as writing, DagsterInstance.get() as reading:
        assert partitions(reading) == set()
        for number in range(3):
            writing.report_runless_asset_event(AssetMaterialization("hotels", partition=f"hotel-{number}"))
            assert len(partitions(reading)) == number + 1


def open_at_once(home, barrier):
    barrier.wait()
    prepare_dagster_home(home)
    with DagsterInstance.get() as instance:
        assert instance.get_runs() == []


@pytest.mark.parametrize("attempt", range(4))
def test_processes_that_start_at_once_on_an_empty_home_make_it_once(tmp_path, attempt):
    barrier = PROCESSES.Barrier(6)
    home = tmp_path / "dagster"
    processes = [PROCESSES.Process(target=open_at_once, args=(home, barrier)) for _ in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        finish(process)
    for file in ("history/runs.db", "history/runs/index.db", "schedules/schedules.db"):
        with contextlib.closing(sqlite3.connect(home / file)) as connection:
            assert len(connection.execute("SELECT version_num FROM alembic_version").fetchall()) == 1
    assert [path.name for path in home.glob("dagster.yaml*")] == ["dagster.yaml"]


def test_threads_share_the_storage(home):
    """As the requests of the web server and the sensors of the daemon do."""
    with DagsterInstance.get() as instance:

        def report_and_look(number: int) -> bool:
            instance.report_runless_asset_event(AssetMaterialization("hotels", partition=f"hotel-{number}"))
            return f"hotel-{number}" in partitions(instance) and instance.get_runs() == []

        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(report_and_look, range(EVENTS)))
        assert partitions(instance) == EXPECTED
