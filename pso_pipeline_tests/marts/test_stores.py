"""The marts of a lake are those of a file, row by row, after every change; so is what is published of them."""

import dataclasses
from collections import Counter
from datetime import timedelta

import duckdb
import pytest

from pso_pipeline.bi.folder import current_snapshot
from pso_pipeline.bi.snapshot import Published, publish
from pso_pipeline.contract.marts import INTERNAL_TABLES, MART_TABLES
from pso_pipeline.warehouse.checks.evaluate import evaluate_derived, find_held_back
from pso_pipeline.warehouse.marts.copying import copy_marts
from pso_pipeline.warehouse.marts.derive import create_marts, derive
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline.warehouse.writing import Part
from pso_pipeline_tests.marts.rows import insert
from pso_pipeline_tests.marts.world import generate
from pso_pipeline_tests.warehouse.files import needs_ducklake

pytestmark = [needs_ducklake, pytest.mark.stores("lake", "s3")]

ORDERS = 600
COMMENTS = """
    SELECT schema_name, table_name, '' AS column_name, comment FROM duckdb_tables() WHERE NOT internal
    UNION ALL SELECT schema_name, view_name, '', comment FROM duckdb_views() WHERE NOT internal
    UNION ALL SELECT schema_name, table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal
    ORDER BY ALL
"""
OF_ITS_OWN = ("marts_origin", "table_versions")
"""Tables that number what happened to these marts."""


def touch(condition):
    """Change orders as a landing does: a new revision of their services, with a note of each order."""
    return f"""
        UPDATE mews.product_service_orders
        SET state = 'Canceled', cancelled_utc = created_utc + INTERVAL 3 DAY, updated_utc = updated_utc + INTERVAL 1 DAY
        WHERE {condition};
        UPDATE mews.sync_state SET revision = revision + 1
        WHERE scope_id IN (SELECT service_id FROM mews.product_service_orders WHERE {condition});
        INSERT INTO mews.changed_records
        SELECT 'product_service_orders', service_id, id, revision FROM mews.product_service_orders
        INNER JOIN mews.sync_state ON scope_id = service_id WHERE {condition};
    """


TOUCH_ITEMS = """
    UPDATE mews.order_items SET accounting_state = 'Canceled', canceled_utc = created_utc + INTERVAL 1 DAY
    WHERE id LIKE 'item 1%';
    UPDATE mews.sync_state SET revision = revision + 1 WHERE endpoint = 'order_items';
    INSERT INTO mews.changed_records
    SELECT 'order_items', scope_id, id, revision FROM mews.order_items
    INNER JOIN mews.sync_state ON scope_id = order_items.enterprise_id AND endpoint = 'order_items'
    WHERE id LIKE 'item 1%';
"""

NEXT_REFRESH = "UPDATE internal.table_versions SET version = version + 1 WHERE table_name = 'ops_refreshes'"

CHANGES = (
    TOUCH_ITEMS,
    "UPDATE mews.products SET name = 'Coffee' WHERE id = 'hotel 1 spa breakfast'",
    touch("id LIKE 'order 1%'"),
    f"UPDATE mews.sync_state SET watermark_utc = watermark_utc + INTERVAL {timedelta(days=40).days} DAY",
    "UPDATE mews.enterprises SET time_zone_identifier = 'Asia/Tokyo', name = 'Renamed' WHERE id = 'hotel 1'",
    touch("id = 'order 7'"),
    "DELETE FROM mews.sync_state WHERE scope_id = 'hotel 2 spa'",
)


def contents(connection, names=None):
    """Read every table of the marts, as rows with how often they occur."""
    tables = [table for table in (*MART_TABLES, *INTERNAL_TABLES) if table.name not in OF_ITS_OWN]
    return {
        table.name: Counter(
            connection.execute(f"SELECT {', '.join(table.column_names)} FROM {table.qualified_name}").fetchall()
        )
        for table in tables
        if names is None or table.name in names
    }


@pytest.fixture
def stores(warehouse, tmp_path):
    """A file and a lake in which the same rows have landed."""
    file = Warehouse(str(tmp_path / "warehouse.duckdb"))
    world = generate(seed=3, orders=ORDERS)
    for each in (file, warehouse):
        with each.open() as connection:
            create_marts(connection)
            for table, rows in world.landed.items():
                insert(connection, table, rows)
            connection.execute("INSERT INTO mews.account_key VALUES ('the same key', FALSE)")
    return file, warehouse


def test_the_marts_of_a_lake_are_those_of_a_file(stores, tmp_path):
    for change in ("SELECT 1", *CHANGES):
        found = []
        for warehouse in stores:
            with warehouse.open() as connection:
                connection.execute(change)
                derived = derive(connection, orders_per_batch=150, all_companions_environments=["ALL"])
                verdicts = [dataclasses.replace(each, counted_now=0) for each in evaluate_derived(connection)]
                found.append((contents(connection), derived, verdicts))
        (of_file, *others), (of_lake, *others_of_lake) = found
        for name, rows in of_file.items():
            assert of_lake[name] == rows, (name, change)
        assert others_of_lake == others
    published: list[Published] = []
    for warehouse, marts in zip(stores, (stores[0].marts_path, stores[1]), strict=True):
        bi_dir = tmp_path / f"bi {len(published)}"
        published.append(
            publish(marts, bi_dir, marts_lock=warehouse.hold(Part.MARTS), find_held_back=held_back(warehouse))
        )
        assert not publish(marts, bi_dir, marts_lock=warehouse.hold(Part.MARTS)).is_new
    file, lake = (each.snapshot for each in published)
    assert {name: each.rows for name, each in file.manifest.tables.items()} == {
        name: each.rows for name, each in lake.manifest.tables.items()
    }
    assert list(file.manifest.versions) == list(lake.manifest.versions)
    with (
        duckdb.connect(str(file.database), read_only=True) as one,
        duckdb.connect(str(lake.database), read_only=True) as other,
    ):
        assert contents(one) == contents(other)
        assert one.execute(COMMENTS).fetchall() == other.execute(COMMENTS).fetchall()
        tags = "SELECT tags FROM duckdb_databases() WHERE NOT internal"
        assert one.execute(tags).fetchall() == other.execute(tags).fetchall()


def held_back(warehouse):
    """Evaluate the checks, as a publication does under its lock."""

    def find():
        with warehouse.open_held() as connection:
            return find_held_back(connection)

    return find


def test_only_the_months_that_changed_are_published_again(stores, tmp_path):
    _, lake = stores
    with lake.open() as connection:
        derive(connection)
    before = publish(lake, tmp_path / "bi").snapshot.manifest.versions
    with lake.open() as connection:
        connection.execute(touch("id = 'order 7'"))
        derive(connection)
    after = publish(lake, tmp_path / "bi")
    moved = {path for path, version in after.snapshot.manifest.versions.items() if before.get(path) != version}
    months = [path for path in moved if "rpt_orders" in path]
    assert len(months) == 1


def rename(connection, name):
    """Rename all services in the marts behind the back of their versions, and note that another table changed."""
    connection.execute(f"UPDATE mart.dim_services SET service_name = '{name}'")
    connection.execute(NEXT_REFRESH)


def published_names(lake, bi_dir):
    with duckdb.connect(str(publish(lake, bi_dir).snapshot.database), read_only=True) as connection:
        return {name for (name,) in connection.execute("SELECT service_name FROM mart.dim_services").fetchall()}


def test_tables_that_did_not_change_are_taken_from_the_snapshot_before(stores, tmp_path):
    _, lake = stores
    with lake.open() as connection:
        derive(connection)
    before = published_names(lake, tmp_path / "bi")
    with lake.open() as connection:
        rename(connection, "Renamed")
    assert published_names(lake, tmp_path / "bi") == before
    damaged = current_snapshot(tmp_path / "bi").database
    damaged.chmod(0o600)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    with lake.open() as connection:
        rename(connection, "Renamed")
    assert published_names(lake, tmp_path / "bi") == {"Renamed"}


def test_what_is_published_of_a_lake_is_what_it_has_after_every_change(stores, tmp_path):
    _, lake = stores
    sizes = []
    for number, change in enumerate((*CHANGES, "SELECT 1", "SELECT 1")):
        with lake.open() as connection:
            connection.execute(change)
            derive(connection, all_companions_environments=["ALL"])
            connection.execute(NEXT_REFRESH)
            copy_marts(connection, tmp_path / f"{number}.duckdb")
        published = publish(lake, tmp_path / "bi").snapshot.database
        sizes.append(published.stat().st_size)
        with (
            duckdb.connect(str(published), read_only=True) as one,
            duckdb.connect(str(tmp_path / f"{number}.duckdb"), read_only=True) as other,
        ):
            assert contents(one) == contents(other), change
            assert one.execute(COMMENTS).fetchall() == other.execute(COMMENTS).fetchall()
            versions = "FROM internal.table_versions ORDER BY ALL"
            assert one.execute(versions).fetchall() == other.execute(versions).fetchall()
    assert sizes[-1] <= 2 * sizes[0]
