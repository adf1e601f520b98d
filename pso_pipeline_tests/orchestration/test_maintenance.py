"""The asset `lake_maintenance` and its check, in a real run."""

from datetime import UTC, datetime, timedelta

import pytest
from dagster import DagsterInstance

from pso_pipeline.orchestration.definitions import defs
from pso_pipeline.orchestration.maintenance import MAX_FILES_PER_TABLE, judge
from pso_pipeline.warehouse.maintaining import LakeState
from pso_pipeline_tests.warehouse.files import needs_ducklake

NOW = datetime(2026, 11, 30, tzinfo=UTC)
WEEK = timedelta(days=7)


def run():
    with DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("maintain").execute_in_process(instance=instance)
    (event,) = result.get_asset_materialization_events()
    (check,) = result.get_asset_check_evaluations()
    return {name: value.value for name, value in event.materialization.metadata.items()}, check


@needs_ducklake
def test_a_lake_is_maintained(sandbox, tmp_path, monkeypatch):
    monkeypatch.setenv("PSO_WAREHOUSE", f"ducklake:{tmp_path / 'lake.ducklake'}")
    shown, check = run()
    assert shown["snapshots"] > 0
    assert check.passed


def test_a_file_needs_none(sandbox, tmp_path, monkeypatch):
    monkeypatch.setenv("PSO_WAREHOUSE", str(tmp_path / "warehouse.duckdb"))
    shown, check = run()
    assert shown["note"] == "The warehouse is a file, which needs no maintenance."
    assert check.passed


@pytest.mark.parametrize(
    ("files", "days", "said"),
    [
        (MAX_FILES_PER_TABLE * 20, 9, "2,000 files, 5 snapshots"),
        (MAX_FILES_PER_TABLE * 20 + 1, 9, "2,001 files for 20 tables"),
        (20, 10, "the oldest snapshot is 10 days old"),
    ],
)
def test_many_files_and_old_snapshots_are_a_warning(files, days, said):
    oldest = NOW - timedelta(days=days)
    found = judge(LakeState(files, 20, 5, oldest), WEEK, NOW)
    assert found.description == said
    assert found.passed == (said == "2,000 files, 5 snapshots")
