"""Backups: the copy is whole, is verified, and comes back; nothing is lost that was committed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from pso_pipeline.warehouse import copies
from pso_pipeline.warehouse.backup import BackupError, back_up, read_backup, restore
from pso_pipeline.warehouse.errors import WarehouseBusy, WarehouseUnusable
from pso_pipeline.warehouse.maintaining import maintain
from pso_pipeline.warehouse.schema import SCHEMA_VERSION
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.warehouse.files import needs_ducklake, old_database

VERSION_4 = Path(__file__).with_name("version_4.sql").read_text(encoding="utf-8")
LAND = "INSERT INTO mews.access_tokens (token_fingerprint) SELECT 'token ' || range FROM range({first}, {last})"


def land(warehouse, first=0, last=2_000):
    with warehouse.open() as connection:
        connection.execute(LAND.format(first=first, last=last))


def count(warehouse):
    with warehouse.open() as connection:
        return connection.execute("SELECT count(*) FROM mews.access_tokens").fetchone()[0]


LAND_AND_DIE = """
import os, signal, sys
from pso_pipeline.warehouse.maintaining import maintain
from pso_pipeline.warehouse.session import Warehouse
with Warehouse(sys.argv[1]).open() as connection:
    connection.execute(sys.argv[2])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_rows_that_only_the_log_has_are_in_the_backup(warehouse, tmp_path):
    land(warehouse)
    script = [sys.executable, "-c", LAND_AND_DIE, warehouse.location, LAND.format(first=2_000, last=4_000)]
    assert subprocess.run(script, check=False).returncode == -signal.SIGKILL
    assert Path(f"{warehouse.location}.wal").stat().st_size
    made = back_up(warehouse, tmp_path / "backup")
    assert made.rows["mews.access_tokens"] == 4_000
    Path(warehouse.location).unlink()
    restore(warehouse, tmp_path / "backup")
    assert count(warehouse) == 4_000


def test_the_warehouse_of_before_is_kept_and_a_newer_backup_replaces_an_older_one(warehouse, tmp_path):
    land(warehouse)
    back_up(warehouse, tmp_path / "backup")
    land(warehouse, 2_000, 2_500)
    back_up(warehouse, tmp_path / "backup")
    land(warehouse, 2_500, 3_000)
    _, kept = restore(warehouse, tmp_path / "backup")
    assert count(warehouse) == 2_500
    with duckdb.connect(str(kept[0]), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM mews.access_tokens").fetchone() == (3_000,)
    assert not warehouse.marts_path.exists() or count(warehouse)
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup"]


def test_a_backup_that_was_changed_or_is_of_something_else_is_refused(warehouse, tmp_path):
    land(warehouse)
    folder = tmp_path / "backup"
    back_up(warehouse, folder)
    file = folder / "warehouse.duckdb"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BackupError, match="is not as it was written"):
        restore(warehouse, folder)
    assert count(warehouse) == 2_000
    with pytest.raises(BackupError, match=r"has no backup\.json"):
        read_backup(tmp_path)
    with pytest.raises(BackupError, match="not empty and not a backup"):
        back_up(warehouse, tmp_path)
    back_up(warehouse, folder)
    with pytest.raises(BackupError, match="PSO_WAREHOUSE is a ducklake file"):
        restore(Warehouse(f"ducklake:{tmp_path / 'lake'}"), folder)


def test_a_copy_with_other_rows_is_no_backup(warehouse, tmp_path, monkeypatch):
    land(warehouse)
    elsewhere = Warehouse(str(tmp_path / "elsewhere.duckdb"))
    land(elsewhere, last=1_999)
    copy = shutil.copyfile
    monkeypatch.setattr(
        "pso_pipeline.warehouse.backup.shutil.copyfile", lambda _, target: copy(elsewhere.location, target)
    )
    with pytest.raises(BackupError, match="has other rows than the warehouse had"):
        back_up(warehouse, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_nobody_writes_meanwhile(warehouse, tmp_path):
    land(warehouse)
    waiting = Warehouse(warehouse.location, wait_seconds=0)
    with warehouse.hold(), pytest.raises(WarehouseBusy):
        back_up(waiting, tmp_path / "backup")


@needs_ducklake
@pytest.mark.parametrize(("catalog", "files"), [("file", "disk"), ("postgres", "disk"), ("postgres", "s3")])
def test_of_a_ducklake_the_catalog_is_copied_and_its_data_path_named(request, tmp_path, monkeypatch, catalog, files):
    location = f"ducklake:{tmp_path / 'lake.ducklake'}"
    if catalog == "postgres":
        server = request.getfixturevalue("postgres")
        location = f"ducklake:postgres:{server.keywords(server.new_database())}"
    data_path = str(tmp_path / "data")
    if files == "s3":
        storage = request.getfixturevalue("object_storage")
        for name, value in storage.variables.items():
            monkeypatch.setenv(name, value)
        data_path = f"{storage.new_bucket()}/lake"
    warehouse = Warehouse(location, data_path=data_path)
    warehouse.make()
    land(warehouse)
    made = back_up(warehouse, tmp_path / "backup")
    assert made.kind == f"ducklake {catalog}"
    assert made.data_path
    assert json.loads((tmp_path / "backup" / "backup.json").read_text())["data_path"] == made.data_path
    land(warehouse, 2_000, 3_000)
    with warehouse.open() as connection:
        connection.execute("DELETE FROM mews.access_tokens WHERE token_fingerprint < 'token 15'")
        maintain(connection, timedelta(days=1))
    restore(warehouse, tmp_path / "backup")
    with warehouse.open() as connection:
        tokens = connection.execute("SELECT token_fingerprint FROM mews.access_tokens").fetchall()
    assert sorted(tokens) == sorted((f"token {number}",) for number in range(2_000))


@needs_ducklake
def test_without_the_programs_of_postgresql_one_line_says_what_to_do(postgres, tmp_path, monkeypatch):
    location = f"ducklake:postgres:{postgres.keywords(postgres.new_database())}"
    warehouse = Warehouse(location, data_path=str(tmp_path / "data"))
    warehouse.make()
    land(warehouse)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="pg_dump is not installed: install PostgreSQL's client programs"):
        back_up(warehouse, tmp_path / "backup")


def old_warehouse(warehouse):
    with old_database(warehouse.location) as connection:
        connection.execute(VERSION_4)


def old_lake(warehouse):
    with duckdb.connect() as connection:
        warehouse.lake.attach(connection, is_made=True)
        connection.execute(f"USE warehouse; {VERSION_4}")


def orders_of(warehouse):
    """Return the version of a lake's tables and its orders, without migrating anything."""
    with duckdb.connect() as connection:
        warehouse.lake.attach(connection, is_made=False)
        connection.execute("USE warehouse.mews")
        ((version,),) = connection.execute("SELECT schema_version FROM warehouse_info").fetchall()
        return version, connection.execute("SELECT id, state FROM product_service_orders ORDER BY ALL").fetchall()


@needs_ducklake
def test_the_catalog_of_a_lake_is_kept_before_a_migration(postgres, tmp_path):
    database = postgres.new_database()
    lake = Warehouse(f"ducklake:postgres:{postgres.keywords(database)}", data_path=str(tmp_path / "data"))
    old_lake(lake)
    before = orders_of(lake)
    assert before[0] == 4
    for _ in range(2):
        lake.make()
    after = orders_of(lake)
    assert after[0] == SCHEMA_VERSION
    ((copy,),) = postgres.sql(database, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'version%'")
    assert copy.startswith("version_4_")

    script = Path(__file__).parents[2] / "deploy/postgres/put_back_catalog.sql"
    for status in (0, 3):
        command = ["psql", "--quiet", "--set", f"copy={copy}", "--file", script, postgres.url(database)]
        assert subprocess.run(command, check=False, capture_output=True).returncode == status
        assert orders_of(lake) == before
    lake.make()
    assert orders_of(lake) == after


@needs_ducklake
def test_a_catalog_in_a_file_is_kept_before_a_migration(tmp_path):
    lake = Warehouse(f"ducklake:{tmp_path / 'lake.ducklake'}")
    old_lake(lake)
    before = orders_of(lake)
    with lake.open():
        pass
    assert orders_of(lake)[0] == SCHEMA_VERSION
    (copy,) = tmp_path.glob("lake.ducklake.version-4-*Z")
    copy.replace(lake.path)
    assert orders_of(lake) == before


def test_a_copy_is_kept_before_a_migration_and_the_last_few_stay(warehouse, tmp_path):
    old = [tmp_path / f"warehouse.duckdb.version-{version}-20200101T000000Z" for version in (1, 2, 3)]
    for path in old:
        path.write_bytes(b"")
        os.utime(path, (0, 0))
    old_warehouse(warehouse)
    with warehouse.open():
        pass
    (copy,) = tmp_path.glob("warehouse.duckdb.version-4-*Z")
    with duckdb.connect(str(copy), read_only=True) as connection:
        assert connection.execute("SELECT schema_version FROM mews.warehouse_info").fetchone() == (4,)
    assert len(list(tmp_path.glob("warehouse.duckdb.version-*"))) == copies.KEPT_COPIES
    with warehouse.open():
        pass
    assert list(tmp_path.glob("warehouse.duckdb.version-4-*Z")) == [copy], "no copy where nothing is migrated"


def test_without_room_for_the_copy_nothing_is_migrated(warehouse, monkeypatch):
    old_warehouse(warehouse)
    monkeypatch.setattr("pso_pipeline.warehouse.copies.shutil.disk_usage", lambda _: type("Usage", (), {"free": 0}))
    with pytest.raises(WarehouseUnusable, match=r"not migrated from table version 4: a copy of .* no room"):
        warehouse.open().__enter__()
    with duckdb.connect(warehouse.location, read_only=True) as connection:
        assert connection.execute("SELECT schema_version FROM mews.warehouse_info").fetchone() == (4,)
