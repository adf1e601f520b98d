"""Copying a warehouse into another one, a file into a lake or the other way round, compared row by row.

Holds what is copied and when it may replace what is there. The marts are not copied: they are computed again.
"""

from collections.abc import Mapping
from typing import Any

import duckdb

from pso_pipeline.warehouse.errors import WarehouseUnusable
from pso_pipeline.warehouse.landing.frames import Rows, registered
from pso_pipeline.warehouse.schema import stored_tables
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline.warehouse.sql import columns_of, first_row
from pso_pipeline.warehouse.writing import EVERYTHING, write

WAREHOUSE_INFO = "mews.warehouse_info"
ORIGIN = "SELECT warehouse_id FROM mews.warehouse_info"
NEWEST = "SELECT max(last_success_utc) FROM mews.sync_state"


def copy_warehouse(source: Warehouse, target: Warehouse) -> Mapping[str, int]:
    """Copy everything that landed, in one transaction; return the rows of each table.

    The target is made where it is missing. Nobody else writes either of them in the meantime. Copying again replaces
    an earlier copy.

    Raises:
        WarehouseUnusable: The target holds data of another warehouse, or newer data; or the copy differs.
        WarehouseError: One of them cannot be opened.
    """
    target.make()
    with source.hold(), target.hold(), source.open_held() as read, target.open_held() as written:
        _require_replaceable(read, written, target)
        copied = write(written, lambda: _copy(read, written), *EVERYTHING)
        target.discard_marts(written)
    return copied


def _require_replaceable(
    read: duckdb.DuckDBPyConnection, written: duckdb.DuckDBPyConnection, target: Warehouse
) -> None:
    holds_some = any(
        first_row(written, f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608  # our own names
        for table in stored_tables(target.endpoints)
        if table != WAREHOUSE_INFO
    )
    if not holds_some:
        return
    if first_row(read, ORIGIN) != first_row(written, ORIGIN):
        raise WarehouseUnusable(f"{target.shown_location} holds data of another warehouse: name an empty one")
    (here,), (there,) = first_row(read, NEWEST) or (None,), first_row(written, NEWEST) or (None,)
    if there is not None and (here is None or there > here):
        raise WarehouseUnusable(
            f"{target.shown_location} was refreshed after it had been copied, and a copy would undo that: "
            "set PSO_WAREHOUSE to it, or name an empty one"
        )


def _copy(read: duckdb.DuckDBPyConnection, written: duckdb.DuckDBPyConnection) -> dict[str, int]:
    copied = {}
    for table in stored_tables():
        columns = columns_of(read, table)
        written.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names, here and below
        rows = read.sql(f"FROM {table}").to_arrow_reader(100_000)
        with registered(written, Rows("copied", rows)):
            written.execute(f"INSERT INTO {table} BY NAME FROM copied")
        before, after = (_digest(connection, table, columns) for connection in (read, written))
        if before != after:
            raise WarehouseUnusable(f"nothing was copied: {table} would have other rows in the copy")
        copied[table] = before[0]
    return copied


def _digest(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> tuple[Any, ...]:
    """Count the rows of a table, and add up a hash of each."""
    values = ", ".join(f'CAST("{column}" AS VARCHAR)' for column in columns)
    return first_row(connection, f"SELECT count(*), sum(hash({values})) FROM {table}") or ()  # noqa: S608  # our own names
