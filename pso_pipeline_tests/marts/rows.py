"""Writing rows into the landed tables and reading them back from the marts, as dictionaries."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from pso_pipeline.contract.marts import (
    INTERNAL_TABLES,
    MART_TABLES,
    MART_VIEWS,
    MARTS_DEFINITION,
    MARTS_ORIGIN,
    WINDOWS_ZONES,
)

Row = Mapping[str, Any]

LANDED = (
    "enterprises",
    "services",
    "sync_state",
    "product_service_orders",
    "superseded_product_service_orders",
    "changed_records",
    "order_items",
    "products",
)


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Row]) -> None:
    """Insert rows that name only the columns that matter; the others stay null."""
    if not rows:
        return
    if table == "sync_state":
        rows = [_progress(**row) for row in rows]
    names = dict.fromkeys(name for row in rows for name in row)
    given = pa.table({name: [_text(row.get(name)) for row in rows] for name in names})
    connection.register("given", given)
    connection.execute(f"INSERT INTO mews.{table} BY NAME SELECT * FROM given")
    connection.unregister("given")


def read(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Iterable[str] | None = None
) -> list[tuple[Any, ...]]:
    """Read a table of the marts, its rows in an order of their own that is always the same."""
    selection = ", ".join(f'"{name}"' for name in columns) if columns else "*"
    return sorted(connection.execute(f"SELECT {selection} FROM mart.{table}").fetchall(), key=repr)


def read_all(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    """Read every table of the marts."""
    return {table.name: read(connection, table.name) for table in MART_TABLES}


def forget_everything(connection: duckdb.DuckDBPyConnection) -> None:
    """Empty the landed tables and the marts."""
    for name in LANDED:
        connection.execute(f"DELETE FROM mews.{name}")
    forget_marts(connection)


def forget_marts(connection: duckdb.DuckDBPyConnection) -> None:
    """Empty the marts, so that the next derivation starts from nothing."""
    for table in MART_TABLES:
        if table not in MART_VIEWS:
            connection.execute(f"DELETE FROM {table.qualified_name}")
    for table in INTERNAL_TABLES:
        if table not in (MARTS_DEFINITION, MARTS_ORIGIN, WINDOWS_ZONES):
            connection.execute(f"DELETE FROM {table.qualified_name}")
    connection.execute("UPDATE internal.marts_origin SET is_complete = FALSE")


def _progress(service_id: str, **columns: Any) -> Row:
    return {"endpoint": "product_service_orders", "scope_id": service_id, **columns}


def _text(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat()
