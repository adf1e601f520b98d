"""Writing the warehouse's files again, so that no byte of what was changed or deleted stays in them.

A database keeps what it deleted in its file until that place is used for something else. Which rows go is decided
elsewhere (`accounts`).
"""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from pso_pipeline.warehouse.errors import WarehouseUnusable
from pso_pipeline.warehouse.session import WAREHOUSE_STORAGE, Warehouse, erase_history, open_duckdb, private_files
from pso_pipeline.warehouse.sql import first_row, literal

TEXTS = """
    SELECT columns.table_name, columns.column_name
    FROM duckdb_columns() AS columns
    SEMI JOIN duckdb_tables() AS tables
        ON tables.table_oid = columns.table_oid AND tables.database_name = columns.database_name
    WHERE columns.database_name = current_database() AND columns.data_type IN ('VARCHAR', 'JSON')
"""
COUNTS = "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = $database ORDER BY ALL"


def rewrite(warehouse: Warehouse, erased: Sequence[str] = ()) -> None:
    """Write the warehouse again with the rows that it has now; the caller holds it (`Warehouse.hold`).

    A file is copied under another name, compared, and replaced in one rename: killed at any instant, it is the old one
    or the new. Of a DuckLake, files with deleted rows are written again and the old ones removed, and its catalogue is
    written again where that is a file, without the texts `erased`: it keeps rows and least values of its own.

    Raises:
        WarehouseUnusable: There is no room for a second file, or the copy differs; the warehouse is as it was.
    """
    if warehouse.lake:
        _rewrite_lake(warehouse, erased)
        return
    _rewrite_file(warehouse.path, WAREHOUSE_STORAGE)


def _rewrite_file(path: Path, storage: str) -> None:
    fresh = path.with_name(f"{path.name}.rewritten")
    with _failures_named(path):
        _remove(fresh)
        try:
            spill = fresh.with_name(f"{fresh.name}.spill")
            with private_files(), open_duckdb(spill=spill) as connection:
                _copy(connection, path, fresh, storage)
            if _log_of(path).exists() or _log_of(fresh).exists():
                raise WarehouseUnusable(
                    f"{path} was not written again: its log could not be closed, make room on the disk"
                )
            sync(fresh)
            fresh.replace(path)
            sync(path.parent)
        finally:
            _remove(fresh)


def _copy(connection: duckdb.DuckDBPyConnection, path: Path, fresh: Path, storage: str) -> None:
    options = f"(STORAGE_VERSION {literal(storage)})"
    connection.execute(f"ATTACH {literal(str(path))} AS warehouse {options}")
    connection.execute(f"ATTACH {literal(str(fresh))} AS fresh {options}")
    connection.execute("COPY FROM DATABASE warehouse TO fresh")
    if _rows(connection, "warehouse") != _rows(connection, "fresh"):
        raise WarehouseUnusable(f"{path} was not written again: the copy has other rows than it")
    connection.execute("CHECKPOINT fresh; CHECKPOINT warehouse; DETACH fresh; DETACH warehouse")


def _rows(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, int]:
    tables = [name for (name,) in connection.execute(COUNTS, {"database": database}).fetchall()]
    counts = (first_row(connection, f"SELECT count(*) FROM {database}.{name}") for name in tables)  # noqa: S608  # names of the catalogue
    return {name: row[0] if row else 0 for name, row in zip(tables, counts, strict=True)}


def _rewrite_lake(warehouse: Warehouse, erased: Sequence[str]) -> None:
    with warehouse.open_held() as connection:
        connection.execute("CALL ducklake_rewrite_data_files('warehouse', delete_threshold => 0)")
        erase_history(connection)
    if erased and not warehouse.is_shared:
        path = warehouse.path
        spill = path.with_name(f"{path.name}.spill")
        with _failures_named(path), private_files(), open_duckdb(path, spill=spill) as connection:
            pattern = "|".join(re.escape(text.lower()) for text in erased)
            for table, column in connection.execute(TEXTS).fetchall():
                names_one = f'regexp_matches(lower(CAST("{column}" AS VARCHAR)), $pattern)'
                connection.execute(
                    f'UPDATE "{table}" SET "{column}" = NULL WHERE {names_one}',  # noqa: S608  # names of the catalogue
                    {"pattern": pattern},
                )
        _rewrite_file(path, "latest")


@contextlib.contextmanager
def _failures_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        said = str(error).splitlines()[0]
        raise WarehouseUnusable(f"{path} was not written again and is as it was: {said}") from None


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _remove(path: Path) -> None:
    for each in (path, _log_of(path)):
        each.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk, so that a power failure leaves no link to nothing."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
