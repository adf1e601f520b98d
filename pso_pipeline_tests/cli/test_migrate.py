"""Tests of `pso migrate`: a lake is made by it alone, and a warehouse is copied into a lake and back."""

import json
import os
from pathlib import Path

import duckdb
import pytest

from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.cli.conftest import pso
from pso_pipeline_tests.processes import PROCESSES, finish
from pso_pipeline_tests.warehouse.files import needs_ducklake

pytestmark = needs_ducklake

MACHINES = int(os.environ.get("PSO_TEST_MACHINES", "3"))

FIGURES = (
    "SELECT * EXCLUDE (as_of_utc, items_as_of_utc) FROM mart.dim_enterprises ORDER BY ALL",
    "FROM mart.rpt_orders ORDER BY ALL",
)


@pytest.fixture
def lake(postgres):
    """The settings of a lake that is not made yet."""
    location = f"ducklake:postgres:{postgres.keywords(postgres.new_database())}"
    return {"PSO_WAREHOUSE": location, "PSO_WAREHOUSE_DATA": "shared"}


def published():
    with duckdb.connect("data/bi/pso_bi.duckdb", read_only=True) as connection:
        return [connection.execute(query).fetchall() for query in FIGURES]


def test_a_lake_is_made_by_migrating_and_then_refreshed(sandbox, lake):
    result = pso("refresh", **lake)
    assert result.status == 1
    assert "run `pso migrate`" in result.error_line
    for _ in range(2):
        assert pso("migrate", **lake).out.endswith("is ready\n")
    assert pso("refresh", **lake).status == 0
    assert len(published()[1]) == 6
    assert pso("check", **lake).status == 0
    assert list(Path("shared").rglob("*.parquet"))
    assert {path.name for path in Path("data").iterdir()} == {"bi", "dagster"}, "no file of marts, lock or spill"


def test_a_warehouse_is_copied_into_a_lake_and_back(sandbox, world, lake):
    assert pso("refresh").status == 0
    before = published()
    to_lake = ("migrate", "--to", lake["PSO_WAREHOUSE"])
    for _ in range(2):
        result = pso(*to_lake, PSO_WAREHOUSE_DATA="shared")
        assert (result.status, result.err) == (0, "")
        assert "compared row by row" in result.out
    assert pso("refresh", **lake).status == 0
    assert published() == before
    world.add_order(world.snapshot(world.clock.now()).services[0], State="Confirmed")
    assert pso("refresh", **lake).status == 0
    refused = pso(*to_lake, PSO_WAREHOUSE_DATA="shared")
    assert refused.status == 1
    assert "was refreshed after it had been copied" in refused.error_line
    after = published()
    assert len(after[1]) == 7
    assert pso("migrate", "--to", "back.duckdb", **lake).status == 0
    assert pso("refresh", PSO_WAREHOUSE="back.duckdb").status == 0
    assert published() == after


def test_a_copy_replaces_no_other_data(sandbox, lake):
    assert pso("refresh").status == 0
    assert pso("refresh", PSO_WAREHOUSE="other.duckdb").status == 0
    result = pso("migrate", "--to", "other.duckdb")
    assert result.status == 1
    assert "holds data of another warehouse" in result.error_line


@pytest.mark.parametrize(
    ("to", "line"),
    [
        ("data/warehouse.duckdb", "--to names the warehouse that PSO_WAREHOUSE names"),
        ("ducklake:postgres:dbname=x", "PSO_WAREHOUSE_DATA is not set"),
    ],
)
def test_a_target_that_cannot_be_is_a_usage_error(sandbox, to, line):
    result = pso("migrate", "--to", to)
    assert result.status == 2
    assert line in result.error_line


def run_commands(folder, settings, commands):
    """Run commands as a machine of its own, one after the other, and leave what they said in the folder."""
    os.environ.update(settings | {"TMPDIR": str(folder), "DAGSTER_HOME": str(folder / "dagster")})
    os.chdir(folder)
    results = [vars(pso(command)) for command in commands]
    (folder / "results").write_text(json.dumps(results), encoding="utf-8")


@pytest.fixture
def on_machines(sandbox, lake, tmp_path):
    """Return a function that runs commands on several machines at once, and returns the results of each."""
    settings = {name: os.environ[name] for name in ("MEWS_PLATFORM_ADDRESS", "MEWS_CLIENT_TOKEN", "MEWS_ACCESS_TOKENS")}
    settings |= lake | {"PSO_WAREHOUSE_DATA": str(tmp_path / "shared")}

    def run(*commands):
        folders = [tmp_path / f"machine {number}" for number in range(MACHINES)]
        processes = []
        for folder in folders:
            folder.mkdir()
            processes.append(PROCESSES.Process(target=run_commands, args=(folder, settings, commands)))
        for process in processes:
            process.start()
        for process in processes:
            finish(process)
        return [json.loads((folder / "results").read_text(encoding="utf-8")) for folder in folders]

    return run


def test_machines_that_migrate_and_refresh_an_empty_lake_at_once_all_succeed(on_machines, lake, tmp_path):
    for migrated, refreshed in on_machines("migrate", "refresh"):
        assert (migrated["status"], migrated["err"]) == (0, "")
        assert (refreshed["status"], refreshed["err"]) == (0, "")
    with Warehouse(lake["PSO_WAREHOUSE"], data_path=str(tmp_path / "shared")).open() as connection:
        for table in ("mews.product_service_orders", "mart.fct_product_service_orders"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchall() == [(6,)]


def test_machines_that_refresh_a_lake_that_nobody_made_each_say_so_in_one_line(on_machines):
    for (refreshed,) in on_machines("refresh"):
        assert refreshed["status"] == 1
        (line,) = refreshed["err"].splitlines()
        assert line.endswith("run `pso migrate`")
