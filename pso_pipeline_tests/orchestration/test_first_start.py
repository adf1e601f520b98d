"""The first start on an empty DAGSTER_HOME: Dagster's own storage, made once however many processes start."""

import contextlib
import sqlite3

import pytest
import yaml
from dagster import DagsterInstance

from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.cli.instance import open_instance
from pso_pipeline_tests.processes import PROCESSES, finish

FORMER = """
# Dagster's own SQLite files, which stay open
storage:
  custom:
    module: pso_pipeline.storage
    class: OpenStorage
    config:
      base_dir:
        env: DAGSTER_HOME

telemetry:
  enabled: false
"""


def open_at_once(home, barrier):
    barrier.wait()
    with open_instance(home) as instance:
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


def test_the_storage_is_dagsters_own(tmp_path):
    prepare_dagster_home(tmp_path / "dagster")
    with DagsterInstance.get() as instance:
        assert type(instance.event_log_storage).__module__.startswith("dagster.")
        assert type(instance.run_storage).__module__.startswith("dagster.")


def test_the_storage_of_the_version_before_is_taken_out_of_dagster_yaml(tmp_path):
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(FORMER, encoding="utf-8")
    with open_instance(home) as instance:
        assert instance.get_runs() == []
    assert yaml.safe_load((home / "dagster.yaml").read_text(encoding="utf-8")) == {"telemetry": {"enabled": False}}
