"""The frozen catalog of a lake: one instant of the marts, without PostgreSQL and without what has landed."""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pso_pipeline.warehouse import freezing
from pso_pipeline.warehouse.errors import WarehouseUnusable
from pso_pipeline.warehouse.freezing import freeze
from pso_pipeline.warehouse.lake import Lake
from pso_pipeline.warehouse.landing.records import land_records
from pso_pipeline.warehouse.maintaining import maintain
from pso_pipeline.warehouse.marts.derive import derive
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.warehouse.files import needs_ducklake
from pso_pipeline_tests.warehouse.test_lake_readers import fill
from pso_pipeline_tests.warehouse.test_landing import landing, order

pytestmark = needs_ducklake

ROWS = "SELECT count(*), bit_xor(hash(order_id, state)) FROM pso.mart.rpt_orders"
KEPT = timedelta(days=1)


@pytest.fixture(autouse=True)
def files_of_this_test_alone(monkeypatch, tmp_path):
    """The lakes of the tests share a place for their files, which has one frozen catalog."""
    monkeypatch.setattr(freezing, "NAME", f"{tmp_path.name}.ducklake")


@contextlib.contextmanager
def frozen_reader(frozen, warehouse):
    """A connection to the frozen file, from a process that knows nothing of the catalog."""
    with duckdb.connect() as connection:
        Lake("ducklake:", warehouse.data_path).load(connection)
        connection.execute(f"ATTACH 'ducklake:{frozen}' AS pso (READ_ONLY)")
        yield connection


@pytest.mark.stores("lake", "s3")
def test_a_reader_sees_one_instant_while_the_lake_is_written_and_maintained(warehouse):
    fill(warehouse, 300)
    frozen = freeze(warehouse)
    with frozen_reader(frozen, warehouse) as reader, warehouse.open() as connection:
        seen = reader.execute(ROWS).fetchall()
        assert seen[0][0] == 300
        changed = [order(f"o{each}", updated=1, state="Canceled") for each in range(200)]
        land_records(connection, landing(*changed, order("new")))
        derive(connection)
        assert reader.execute(ROWS).fetchall() == seen
        maintain(connection, KEPT)
        assert reader.execute(ROWS).fetchall() == seen
        assert connection.execute("SELECT count(*) FROM mart.rpt_orders").fetchall() == [(301,)]
    with frozen_reader(frozen, warehouse) as another:
        assert another.execute(ROWS).fetchall() == seen
    assert freeze(warehouse) == frozen
    with frozen_reader(frozen, warehouse) as later:
        assert later.execute(ROWS).fetchall()[0][0] == 301


@pytest.mark.stores("lake")
def test_it_can_be_read_until_maintenance_forgets_its_instant(warehouse):
    fill(warehouse, 300)
    frozen = freeze(warehouse)
    with warehouse.open() as connection:
        land_records(connection, landing(*(order(f"o{each}", updated=1, state="Canceled") for each in range(300))))
        derive(connection)
        maintain(connection, KEPT, datetime.now(UTC) + 2 * KEPT)
    with frozen_reader(frozen, warehouse) as reader, pytest.raises(duckdb.Error, match=r"No such file|Cannot open"):
        reader.execute(ROWS).fetchall()


@pytest.mark.stores("lake")
@pytest.mark.parametrize("orders", [3, 300], ids=["rows in the catalog", "rows in files"])
def test_it_holds_the_marts_and_nothing_of_what_has_landed(warehouse, orders):
    fill(warehouse, orders)
    with warehouse.open() as connection:
        land_records(connection, landing(order("o1", updated=1, number="a-number-that-is-in-no-mart")))
    frozen = freeze(warehouse)
    with frozen_reader(frozen, warehouse) as reader:
        assert reader.execute(ROWS).fetchall()[0][0] == orders
        schemas = "SELECT DISTINCT schema_name FROM duckdb_tables() WHERE database_name = 'pso' ORDER BY ALL"
        assert reader.execute(schemas).fetchall() == [("internal",), ("mart",)]
        comments = "SELECT count(*) FROM duckdb_columns() WHERE database_name = 'pso' AND comment IS NOT NULL"
        assert reader.execute(comments).fetchall()[0][0] > 100
    content = Path(frozen).read_bytes()
    assert b"a-number-that-is-in-no-mart" not in content
    assert b"product_service_order_versions" not in content


@pytest.mark.stores("lake")
def test_whoever_cleans_up_in_it_deletes_no_file_of_the_lake(warehouse):
    fill(warehouse, 300)
    with warehouse.open() as connection:
        for number in range(3):
            land_records(connection, landing(*(order(f"{number} {each}") for each in range(30))))
        maintain(connection, KEPT)
    frozen = freeze(warehouse)
    files = set(Path(warehouse.data_path).rglob("*.parquet"))
    with duckdb.connect() as connection:
        Lake("ducklake:", warehouse.data_path).load(connection)
        connection.execute(
            f"ATTACH 'ducklake:{frozen}' AS pso; CALL ducklake_cleanup_old_files('pso', cleanup_all => true)"
        )
    assert set(Path(warehouse.data_path).rglob("*.parquet")) == files


def test_a_lake_with_its_catalog_in_a_file_is_frozen_too_and_a_file_is_not(tmp_path):
    lake = Warehouse(f"ducklake:{tmp_path / 'lake.ducklake'}")
    lake.make()
    fill(lake, 3)
    with frozen_reader(freeze(lake), lake) as reader:
        assert reader.execute(ROWS).fetchall()[0][0] == 3
    with pytest.raises(WarehouseUnusable, match="is no DuckLake"):
        freeze(Warehouse(str(tmp_path / "warehouse.duckdb")))
