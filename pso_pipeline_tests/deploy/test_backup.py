"""A lake that was lost comes back exactly from its backup."""

import os
import subprocess
from pathlib import Path

import duckdb
import pytest

from pso_pipeline.warehouse.lake import Lake

DEPLOY = Path(__file__).parents[2] / "deploy"


class Folder:
    """Data files of a lake on a shared path."""

    def __init__(self, path):
        self.address = str(path)
        path.mkdir()

    def names(self):
        return [str(path.relative_to(self.address)) for path in Path(self.address).rglob("*.parquet")]

    def remove(self, names):
        for name in names:
            (Path(self.address) / name).unlink()


class Bucket:
    """Data files of a lake in an object storage."""

    def __init__(self, storage):
        self.storage, self.bucket = storage, storage.new_bucket()
        self.address = f"{self.bucket}/lake"

    def names(self):
        return [name.removeprefix("lake/") for name in self.storage.names(self.bucket)]

    def remove(self, names):
        self.storage.remove(self.bucket, [f"lake/{name}" for name in names])


@pytest.fixture(params=["disk", "s3"])
def data(request, tmp_path, monkeypatch):
    """The place of the data files."""
    if request.param == "disk":
        return Folder(tmp_path / "lake")
    storage = request.getfixturevalue("object_storage")
    for name, value in storage.variables.items():
        monkeypatch.setenv(name, value)
    return Bucket(storage)


@pytest.fixture
def lake(postgres, data):
    """The environment of the scripts, and a function that runs statements in the lake and returns the last result."""
    database = postgres.new_database()

    def run(*statements):
        with duckdb.connect() as connection:
            address = f"ducklake:postgres:{postgres.keywords(database)}"
            Lake(address, data.address).load(connection)
            options = f"DATA_PATH '{data.address}/', DATA_INLINING_ROW_LIMIT 0"
            connection.execute(f"ATTACH '{address}' AS lake ({options}); USE lake")
            result = [connection.execute(statement) for statement in statements][-1]
            return result.fetchall()

    environment = os.environ | {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGUSER": "pso",
        "LAKE_DATABASE": database,
        "PSO_WAREHOUSE_DATA": data.address,
    }
    return run, environment


def script(name, folder, environment):
    return subprocess.run([DEPLOY / name, folder], env=environment, capture_output=True, text=True, check=False)


COUNTS = "SELECT count(*), sum(number), count(DISTINCT text) FROM orders"
INSERT = "INSERT INTO orders SELECT range, md5(range::VARCHAR) FROM range({}, {})"


def test_a_lake_is_restored_exactly(lake, data, tmp_path):
    run, environment = lake
    run("CREATE TABLE orders (number BIGINT, text VARCHAR)", INSERT.format(0, 1000))
    assert script("backup.sh", tmp_path / "backup", environment).returncode == 0
    run("DELETE FROM orders WHERE number < 100", INSERT.format(1000, 2000))
    before = run(COUNTS)
    done = script("backup.sh", tmp_path / "backup", environment)
    assert (done.returncode, done.stderr) == (0, "")

    run("CREATE TABLE later AS SELECT 1 AS number", "DELETE FROM orders")
    data.remove(data.names())
    done = script("restore.sh", tmp_path / "backup", environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert run(COUNTS) == before
    assert run("SELECT table_name FROM information_schema.tables WHERE table_catalog = 'lake'") == [("orders",)]
    run(INSERT.format(2000, 2001))
    assert run(COUNTS)[0][0] == before[0][0] + 1


def test_a_backup_that_lacks_a_file_of_its_catalogue_fails_and_keeps_the_one_before(lake, data, tmp_path):
    run, environment = lake
    run("CREATE TABLE orders (number BIGINT, text VARCHAR)", INSERT.format(0, 1000))
    assert script("backup.sh", tmp_path / "backup", environment).returncode == 0
    kept = (tmp_path / "backup/catalogue.dump").read_bytes()
    run(INSERT.format(1000, 2000))
    copied = {path.name for path in (tmp_path / "backup/data").rglob("*.parquet")}
    (new,) = [name for name in data.names() if Path(name).name not in copied]
    data.remove([new])
    done = script("backup.sh", tmp_path / "backup", environment)
    assert done.returncode == 1
    assert done.stderr.startswith("backup.sh: 1 data file(s) were removed before they were copied")
    assert (tmp_path / "backup/catalogue.dump").read_bytes() == kept


@pytest.mark.parametrize("damage", [Path.unlink, lambda dump: dump.write_bytes(dump.read_bytes()[:3000])])
def test_a_backup_without_a_whole_dump_is_not_restored_and_changes_nothing(lake, tmp_path, damage):
    run, environment = lake
    run("CREATE TABLE orders (number BIGINT, text VARCHAR)", INSERT.format(0, 1000))
    assert script("backup.sh", tmp_path / "backup", environment).returncode == 0
    before = run(COUNTS)
    damage(tmp_path / "backup/catalogue.dump")
    done = script("restore.sh", tmp_path / "backup", environment)
    assert done.returncode != 0
    assert done.stderr.startswith("pg_restore: error: ")
    assert run(COUNTS) == before
