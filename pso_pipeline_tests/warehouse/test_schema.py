"""The tables of an older warehouse are migrated on open, in one transaction; those of a newer one are refused."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from pso_pipeline.contract.columns import Column
from pso_pipeline.contract.endpoints import ENDPOINTS, ENTERPRISES
from pso_pipeline.warehouse.errors import WarehouseMixed, WarehouseTooNew, WarehouseUnusable
from pso_pipeline.warehouse.schema import SCHEMA_VERSION
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.processes import PROCESSES, finish
from pso_pipeline_tests.warehouse.files import old_database

VERSION_1, VERSION_4 = (
    (Path(__file__).parent / f"version_{number}.sql").read_text(encoding="utf-8") for number in (1, 4)
)
SHAPE = """
SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = 'mews'
UNION ALL
SELECT table_name, '', '', comment FROM duckdb_tables() WHERE schema_name = 'mews'
UNION ALL
SELECT view_name, '', '', comment FROM duckdb_views() WHERE schema_name = 'mews'
ORDER BY ALL
"""


@pytest.fixture
def old_file(tmp_path):
    """A warehouse as version 1 of the tables left it, with a row in each."""
    path = tmp_path / "warehouse.duckdb"
    with old_database(path) as connection:
        connection.execute(VERSION_1)
    return path


@pytest.mark.parametrize("tables", [VERSION_1, VERSION_4], ids=["version 1", "version 4"])
def test_tables_of_any_older_version_become_those_of_a_fresh_warehouse(warehouse, tmp_path, tables):
    with old_database(warehouse.location) as connection:
        connection.execute(tables)
    with warehouse.open() as connection, Warehouse(str(tmp_path / "fresh.duckdb")).open() as fresh:
        assert connection.execute(SHAPE).fetchall() == fresh.execute(SHAPE).fetchall()


def test_an_older_warehouse_gets_a_column_that_is_newer_than_its_migrations(old_file):
    column = Column("language", "VARCHAR", "Language of its texts.", "DefaultLanguageCode")
    longer = replace(ENTERPRISES, columns=(*ENTERPRISES.columns, column))
    with Warehouse(str(old_file), endpoints=(longer, *ENDPOINTS[1:])).open() as connection:
        assert ("enterprises", "language", "VARCHAR", column.description) in connection.execute(SHAPE).fetchall()


def version_of(path):
    with duckdb.connect(str(path)) as connection:
        return connection.execute("SELECT schema_version FROM mews.warehouse_info").fetchall()


def test_an_older_warehouse_becomes_what_a_fresh_one_is_and_keeps_its_rows(warehouse, old_file, tmp_path):
    with warehouse.open() as connection:
        migrated = connection.execute(SHAPE).fetchall()
        rows = [
            connection.execute(f"SELECT count(*) FROM mews.{name}").fetchone()
            for name in (
                "enterprises",
                "services",
                "product_service_orders",
                "superseded_product_service_orders",
                "sync_state",
            )
        ]
    assert rows == [(1,)] * 5
    assert version_of(old_file) == [(SCHEMA_VERSION,)]
    with Warehouse(str(tmp_path / "fresh.duckdb")).open() as connection:
        assert migrated == connection.execute(SHAPE).fetchall()


def test_ids_in_upper_case_become_lower_case_and_keep_their_rows(warehouse, old_file):
    ids = ["enterprises.id", "services.id", "services.enterprise_id"]
    ids += ["product_service_orders.id", "product_service_orders.service_id"]
    with duckdb.connect(str(old_file)) as connection:
        for table, column in (each.split(".") for each in [*ids, "superseded_versions.id", "sync_state.service_id"]):
            connection.execute(f"UPDATE mews.{table} SET {column} = upper({column})")
        connection.execute("UPDATE mews.product_service_orders SET account_id = 'A1', state = 'Canceled'")
    with warehouse.open() as connection:
        ids += ["superseded_product_service_orders.id", "sync_state.scope_id"]
        found = [connection.execute(f"SELECT {each} FROM mews.{each.split('.')[0]}").fetchall() for each in ids]
        order = connection.execute("SELECT account_id, state FROM mews.product_service_orders").fetchall()
    assert found == [[("e1",)], [("s1",)], [("e1",)], [("o1",)], [("s1",)], [("o1",)], [("s1",)]]
    assert order == [("a1", "Canceled")]


def test_opening_again_migrates_nothing(warehouse, old_file):
    with warehouse.open():
        pass
    with warehouse.open() as connection:
        connection.execute("INSERT INTO mews.service_listings VALUES ('e', 't', NULL, NULL)")
    with warehouse.open() as connection:
        assert connection.execute("SELECT count(*) FROM mews.service_listings").fetchone() == (1,)


def test_a_migration_that_fails_midway_leaves_the_old_version_as_it_was(warehouse, old_file):
    """A table of somebody's own is in the way of the last migration."""
    with duckdb.connect(str(old_file)) as connection:
        connection.execute("CREATE TABLE mews.service_listings AS SELECT 'mine' AS note")
        before = connection.execute(SHAPE).fetchall()
    for _ in range(2):
        with pytest.raises(WarehouseUnusable, match=r"version 1, .*service_listings.* already exists") as caught:
            warehouse.open().__enter__()
        assert "\n" not in str(caught.value)
    assert version_of(old_file) == [(1,)]
    with duckdb.connect(str(old_file)) as connection:
        assert connection.execute(SHAPE).fetchall() == before
        connection.execute("DROP TABLE mews.service_listings")
    with warehouse.open() as connection:
        assert connection.execute("SELECT count(*) FROM mews.product_service_orders").fetchone() == (1,)


def test_a_newer_warehouse_is_refused_and_left_alone(warehouse):
    with warehouse.open() as connection:
        connection.execute("UPDATE mews.warehouse_info SET schema_version = 99")
    with pytest.raises(WarehouseTooNew, match=r"table version 99.*upgrade pso_pipeline"):
        warehouse.open().__enter__()
    assert version_of(warehouse.location) == [(99,)]


@pytest.mark.parametrize(
    "state",
    [
        "",
        "CREATE SCHEMA mews",
        "CREATE SCHEMA mews; CREATE TABLE mews.warehouse_info (schema_version INTEGER, source VARCHAR)",
    ],
    ids=["no schema", "no table", "no version"],
)
def test_a_half_made_warehouse_is_finished(warehouse, state):
    with old_database(warehouse.location) as connection:
        connection.execute(state)
    with warehouse.open() as connection:
        assert connection.execute("SELECT schema_version FROM mews.warehouse_info").fetchall() == [(SCHEMA_VERSION,)]


@pytest.mark.parametrize("left_over", [b"", b"\0" * 4096], ids=["empty", "a page"])
def test_what_a_kill_leaves_of_a_file_that_was_being_made_is_in_nobodys_way(warehouse, left_over):
    for name in ("warehouse.duckdb.new", "warehouse.duckdb.new.wal", "warehouse.marts.duckdb.new"):
        Path(name).write_bytes(left_over)
    with warehouse.open() as connection:
        assert connection.execute("SELECT count(*) FROM mews.enterprises").fetchone() == (0,)
    assert not list(Path().glob("*.new*"))


def test_a_file_that_is_no_database_is_named_and_left_alone(warehouse):
    Path(warehouse.location).write_text("notes of somebody")
    with pytest.raises(
        WarehouseUnusable, match=r"warehouse\.duckdb is damaged, or no DuckDB file: .*not a valid DuckDB"
    ):
        warehouse.open().__enter__()
    assert Path(warehouse.location).read_text() == "notes of somebody"


def test_the_sandbox_and_real_data_do_not_share_a_warehouse(tmp_path):
    location = str(tmp_path / "warehouse.duckdb")
    with Warehouse(location, "http://127.0.0.1:8765").open():
        pass
    with pytest.raises(WarehouseMixed, match="PSO_WAREHOUSE"):
        Warehouse(location, "https://api.mews.com").open().__enter__()


def open_and_count(location, barrier):
    barrier.wait()
    with Warehouse(location).open() as connection:
        connection.execute("INSERT INTO mews.full_read_ids VALUES ('product_service_orders', 's', 'i')")


@pytest.mark.parametrize("is_old", [False, True], ids=["fresh", "old"])
def test_processes_that_open_it_at_once_make_or_migrate_it_once(warehouse, request, is_old):
    if is_old:
        request.getfixturevalue("old_file")
    barrier = PROCESSES.Barrier(3)
    processes = [PROCESSES.Process(target=open_and_count, args=(warehouse.location, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        finish(process)
    with warehouse.open() as connection:
        assert connection.execute("SELECT count(*) FROM mews.full_read_ids").fetchone() == (3,)
        assert connection.execute("SELECT schema_version FROM mews.warehouse_info").fetchall() == [(SCHEMA_VERSION,)]
