"""Marts whose every table contains the generation it belongs to, so that a mixture of two generations cannot pass.

Generation g holds ORDERS + g orders, all numbered g, and its hotels are as of START + g seconds. The services and dates
are the same in every generation.
"""

import contextlib
import hashlib
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from pso_pipeline.bi.folder import Snapshot
from pso_pipeline.bi.manifest import Manifest
from pso_pipeline.bi.parquet import LARGE_TABLES
from pso_pipeline.contract.marts import MART_TABLES
from pso_pipeline.warehouse.marts.derive import create_marts
from pso_pipeline.warehouse.schema import use_schemas

ORDERS = 3000
START = datetime(2026, 11, 23, 10, tzinfo=UTC)

DESCRIPTIONS = """
    INSERT INTO mart.dim_enterprises BY NAME
    SELECT
        'hotel-' || i AS enterprise_id, 'Hotel ' || i AS enterprise_name, 'UTC' AS time_zone, i < 2 AS is_in_scope,
        $as_of::TIMESTAMP + to_seconds(i - 3 * (i // 2)) AS as_of_utc
    FROM range(3) AS hotels(i);
"""
SERVICES = """
    INSERT INTO mart.dim_services BY NAME
    SELECT 'service-' || i AS service_id, 'hotel-' || i % 3 AS enterprise_id, 'Service ' || i AS service_name
    FROM range(6) AS services(i);
"""
DATES = """
    INSERT INTO mart.dim_dates BY NAME
    SELECT DATE '2026-01-01' + i::INTEGER AS date, 2026 AS year FROM range(300) AS days(i);
"""
ORDER_ROWS = """
    INSERT INTO mart.fct_product_service_orders BY NAME
    SELECT
        'order-' || i AS order_id, $generation::VARCHAR AS order_number, 'service-' || i % 6 AS service_id,
        'hotel-' || i % 3 AS enterprise_id, 'Confirmed' AS state, TIMESTAMP '2026-01-01' + to_hours(i) AS created_at,
        created_at::DATE AS created_date
    FROM range($orders::BIGINT) AS orders(i);
"""
CHANGES = """
    INSERT INTO mart.fct_order_state_changes BY NAME
    SELECT order_id, enterprise_id, state AS to_state, created_at AS changed_at FROM mart.fct_product_service_orders;
"""
COUNTS = """
    INSERT INTO mart.agg_orders_daily BY NAME
    SELECT enterprise_id, service_id, created_at::DATE AS date, count(*) AS orders_created
    FROM mart.fct_product_service_orders GROUP BY ALL;
"""
RUNS = """
    INSERT INTO internal.cancellation_curve_runs BY NAME
    SELECT
        enterprise_id, service_id, DATE '2026-01-01' AS cohort_month, 0 AS first_day, 3 AS last_day,
        count(*) AS orders_at_risk, 0 AS canceled_by_then
    FROM mart.fct_product_service_orders GROUP BY ALL;
"""
ITEMS = """
    INSERT INTO mart.fct_order_items BY NAME
    SELECT
        'item of ' || order_id AS item_id, order_id AS service_order_id, enterprise_id, service_id, created_at,
        created_date, created_date AS consumed_date, 'EUR' AS currency, 1.25 AS gross_value
    FROM mart.fct_product_service_orders;
"""
AMOUNTS = """
    INSERT INTO mart.agg_item_revenue_daily BY NAME
    SELECT
        enterprise_id, service_id, currency, consumed_date AS date, count(*) AS items,
        sum(gross_value) AS ordered_gross_value
    FROM mart.fct_order_items GROUP BY ALL;
"""
AHEAD = """
    INSERT INTO mart.agg_consumption_ahead BY NAME
    SELECT enterprise_id, service_id, consumed_date AS date, count(*) AS booked_quantity
    FROM mart.fct_order_items GROUP BY ALL;
"""
STATIC_TABLES = ("dim_services", "dim_dates", "dim_products")
CHANGING_TABLES = tuple(table.name for table in MART_TABLES if table.name not in STATIC_TABLES)

CHANGING = {
    "mart.fct_product_service_orders": ORDER_ROWS,
    "mart.fct_order_state_changes": CHANGES,
    "mart.agg_orders_daily": COUNTS,
    "internal.cancellation_curve_runs": RUNS,
    "mart.fct_order_items": ITEMS,
    "mart.agg_item_revenue_daily": AMOUNTS,
    "mart.agg_consumption_ahead": AHEAD,
}

MONTHS = """
    SELECT DISTINCT date_trunc('month', created_date)::DATE AS month FROM mart.fct_product_service_orders
    UNION
    SELECT created_month FROM internal.table_versions WHERE created_month IS NOT NULL
"""

TOTALS = """
    SELECT
        (SELECT count(*) FROM mart.fct_product_service_orders),
        (SELECT count(*) FROM mart.rpt_orders WHERE enterprise_name IS NOT NULL AND service_name IS NOT NULL),
        (SELECT count(*) FROM mart.fct_order_state_changes),
        (SELECT sum(orders_created) FROM mart.agg_orders_daily),
        (SELECT sum(orders_at_risk) FROM mart.agg_cancellation_curve WHERE days_since_creation = 3),
        (SELECT (sum(gross_value) / 1.25)::BIGINT FROM mart.fct_order_items),
        (SELECT (sum(ordered_gross_value) / 1.25)::BIGINT FROM mart.agg_item_revenue_daily),
        (SELECT sum(booked_quantity) FROM mart.agg_consumption_ahead),
        (SELECT min(order_number) FROM mart.rpt_orders),
        (SELECT max(order_number) FROM mart.fct_product_service_orders),
        (SELECT min(as_of_utc) FROM mart.dim_enterprises WHERE is_in_scope)
"""


class Mixture(AssertionError):
    """A reader saw parts of two generations."""


@contextlib.contextmanager
def open_marts(path: Path, storage_version: str = "v1.0.0"):
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"ATTACH '{path}' AS marts (STORAGE_VERSION '{storage_version}')")
        connection.execute("ATTACH ':memory:' AS warehouse")
        use_schemas(connection)
        connection.execute(
            "CREATE TABLE warehouse.mews.warehouse_info AS"
            " SELECT 'the same warehouse' AS warehouse_id, NULL::VARCHAR AS derivation_id"
        )
        yield connection


def write_generation(path: Path, generation: int) -> None:
    """Bring the marts file to a generation, in one transaction; the file is made where it is missing."""
    with open_marts(path) as connection:
        create_marts(connection)
        connection.begin()
        is_first = not connection.execute("SELECT count(*) FROM mart.dim_services").fetchall()[0][0]
        if is_first:
            connection.execute(SERVICES)
            connection.execute(DATES)
        connection.execute("DELETE FROM mart.dim_enterprises")
        connection.execute(DESCRIPTIONS, {"as_of": as_of(generation).replace(tzinfo=None)})
        for table, statement in CHANGING.items():
            connection.execute(f"DELETE FROM {table}")
            values = {"generation": generation, "orders": ORDERS + generation} if statement is ORDER_ROWS else None
            connection.execute(statement, values)
        connection.execute("UPDATE internal.marts_origin SET is_complete = TRUE")
        raise_versions(connection, [*CHANGING_TABLES, *(STATIC_TABLES if is_first else ())])
        connection.commit()


def raise_versions(
    connection: duckdb.DuckDBPyConnection, tables: Collection[str], months: Collection[str] | None = None
) -> None:
    """Give tables, and of large ones the months, the number of this transaction, as each one that writes marts does."""
    (number,) = connection.execute("SELECT coalesce(max(version), 0) + 1 FROM internal.table_versions").fetchall()[0]
    known = [str(month) for (month,) in connection.execute(MONTHS).fetchall()]
    for table in tables:
        for month in (known if months is None else months) if table in LARGE_TABLES else [None]:
            which = "WHERE table_name = ? AND created_month IS NOT DISTINCT FROM ?"
            connection.execute(f"DELETE FROM internal.table_versions {which}", [table, month])
            connection.execute("INSERT INTO internal.table_versions VALUES (?, ?, ?)", [table, month, number])


def change(marts: Path, statements: str, tables: Collection[str], months: Collection[str] | None = None) -> None:
    """Change the marts file in one transaction that raises the versions of these tables and months."""
    with open_marts(marts) as connection:
        connection.begin()
        connection.execute(statements)
        raise_versions(connection, tables, months)
        connection.commit()


def as_of(generation: int) -> datetime:
    return START + timedelta(seconds=generation)


def read_generation(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the generation of what a connection sees as schema `mart`; every table has to agree."""
    row = connection.execute(TOTALS).fetchone()
    assert row is not None
    generation = int(row[9])
    expected = (*[ORDERS + generation] * 8, str(generation), str(generation), as_of(generation).replace(tzinfo=None))
    if row != expected:
        raise Mixture(f"{row} instead of {expected}")
    return generation


def check_manifest(manifest: Manifest, generation: int) -> None:
    if manifest.as_of_utc != as_of(generation):
        raise Mixture(f"the manifest is as of {manifest.as_of_utc} beside generation {generation}")


def read_parquet(directory: Path, table: str) -> str:
    """Query the Parquet files of a table, without the month that is in their paths."""
    files = f"{table}/*/*.parquet" if table in LARGE_TABLES else f"{table}.parquet"
    return f"FROM read_parquet('{directory}/parquet/{files}', hive_partitioning = false)"


def read_parquet_generation(directory: Path, read: Callable[[duckdb.DuckDBPyConnection], int] = read_generation) -> int:
    """Return the generation of the Parquet files of one version's folder."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("CREATE SCHEMA mart")
        for table in MART_TABLES:
            connection.execute(f"CREATE VIEW mart.{table.name} AS {read_parquet(directory, table.name)}")
        return read(connection)


def read_database_generation(path: Path, read: Callable[[duckdb.DuckDBPyConnection], int] = read_generation) -> int:
    with duckdb.connect(str(path), read_only=True, config={"threads": 1}) as connection:
        return read(connection)


def check_whole(snapshot: Snapshot) -> int:
    """Make sure that every file of a snapshot is what the manifest says and of one generation, and return it."""
    for published in snapshot.manifest.files:
        content = (snapshot.directory / published.file).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (published.bytes, published.sha256)
    generation = read_database_generation(snapshot.database)
    assert read_parquet_generation(snapshot.directory) == generation
    check_manifest(snapshot.manifest, generation)
    return generation
