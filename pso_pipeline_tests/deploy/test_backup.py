"""A lake that was lost comes back exactly from its backup."""

import importlib.resources
import os
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def lake(postgres, tmp_path):
    """The environment of the scripts, and a function that runs statements in the lake and returns the last result."""
    database, data = postgres.new_database(), tmp_path / "lake"
    data.mkdir()

    def run(*statements):
        with duckdb.connect() as connection:
            for extension in ("ducklake", "postgres_scanner"):
                files = importlib.resources.files(f"duckdb_extension_{extension}") / "extensions"
                connection.execute(f"LOAD '{files / f'v{duckdb.__version__}' / extension}.duckdb_extension'")
            address = f"ducklake:postgres:{postgres.keywords(database)}"
            connection.execute(f"ATTACH '{address}' AS lake (DATA_PATH '{data}/', DATA_INLINING_ROW_LIMIT 0); USE lake")
            result = [connection.execute(statement) for statement in statements][-1]
            return result.fetchall()

    environment = os.environ | {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGUSER": "pso",
        "LAKE_DATABASE": database,
        "PSO_WAREHOUSE_DATA": str(data),
    }
    return run, data, environment


def script(name, folder, environment):
    return subprocess.run([DEPLOY / name, folder], env=environment, capture_output=True, text=True, check=False)


COUNTS = "SELECT count(*), sum(number), count(DISTINCT text) FROM orders"
INSERT = "INSERT INTO orders SELECT range, md5(range::VARCHAR) FROM range({}, {})"


def test_a_lake_is_restored_exactly(lake, tmp_path):
    run, data, environment = lake
    run("CREATE TABLE orders (number BIGINT, text VARCHAR)", INSERT.format(0, 1000))
    assert script("backup.sh", tmp_path / "backup", environment).returncode == 0
    run("DELETE FROM orders WHERE number < 100", INSERT.format(1000, 2000))
    before = run(COUNTS)
    done = script("backup.sh", tmp_path / "backup", environment)
    assert (done.returncode, done.stderr) == (0, "")

    run("CREATE TABLE later AS SELECT 1 AS number", "DELETE FROM orders")
    shutil.rmtree(data)
    done = script("restore.sh", tmp_path / "backup", environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert run(COUNTS) == before
    assert run("SELECT table_name FROM information_schema.tables WHERE table_catalog = 'lake'") == [("orders",)]
    run(INSERT.format(2000, 2001))
    assert run(COUNTS)[0][0] == before[0][0] + 1


def test_a_backup_that_lacks_a_file_of_its_catalogue_fails_and_keeps_the_one_before(lake, tmp_path):
    run, data, environment = lake
    run("CREATE TABLE orders (number BIGINT, text VARCHAR)", INSERT.format(0, 1000))
    assert script("backup.sh", tmp_path / "backup", environment).returncode == 0
    kept = (tmp_path / "backup/catalogue.dump").read_bytes()
    run(INSERT.format(1000, 2000))
    copied = {path.name for path in (tmp_path / "backup/data").rglob("*.parquet")}
    (new,) = [path for path in data.rglob("*.parquet") if path.name not in copied]
    new.unlink()
    done = script("backup.sh", tmp_path / "backup", environment)
    assert done.returncode == 1
    assert done.stderr.startswith("backup.sh: 1 data file(s) were removed before they were copied")
    assert (tmp_path / "backup/catalogue.dump").read_bytes() == kept


@pytest.mark.parametrize("damage", [Path.unlink, lambda dump: dump.write_bytes(dump.read_bytes()[:3000])])
def test_a_backup_without_a_whole_dump_is_not_restored_and_changes_nothing(lake, tmp_path, damage):
    run, _, environment = lake
    run("CREATE TABLE orders (number BIGINT, text VARCHAR)", INSERT.format(0, 1000))
    assert script("backup.sh", tmp_path / "backup", environment).returncode == 0
    before = run(COUNTS)
    damage(tmp_path / "backup/catalogue.dump")
    done = script("restore.sh", tmp_path / "backup", environment)
    assert done.returncode != 0
    assert done.stderr.startswith("pg_restore: error: ")
    assert run(COUNTS) == before
