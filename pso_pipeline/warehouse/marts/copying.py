"""Copying the marts of a lake into a DuckDB file, as they would be if they had been computed there.

Holds the copy. When it is made, and what becomes of it, belongs to `bi/snapshot.py`.
"""

import shutil
from collections.abc import Collection
from pathlib import Path

import duckdb

from pso_pipeline.contract.marts import INTERNAL_TABLES, MART_TABLES, MART_VIEWS
from pso_pipeline.warehouse.marts.derive import PUBLISHED_AS, create_tables_of_marts
from pso_pipeline.warehouse.schema import use_schemas
from pso_pipeline.warehouse.sql import first_row, literal

MARTS_STORAGE = "v1.0.0"
"""Format of a file with marts: files of newer ones would not open in the DuckDB 1.0 drivers that BI tools ship."""


def copy_marts(
    connection: duckdb.DuckDBPyConnection, path: Path, before: Path | None = None, unchanged: Collection[str] = ()
) -> None:
    """Write the marts that an open lake has now into a new file, with every comment.

    `before` is an earlier copy, which `unchanged` tables are taken from; they are named as they are published.

    Raises:
        duckdb.Error: The file cannot be written, or the lake not be read.
        OSError: The file cannot be written, or the earlier copy not be read.
    """
    attach = f"ATTACH {literal(str(path))} AS marts (STORAGE_VERSION {literal(MARTS_STORAGE)})"
    if before is None:
        _make_empty(attach)
    else:
        shutil.copyfile(before, path)
    connection.execute(attach.replace(" AS marts ", " AS copy "))
    connection.begin()
    try:
        for table in (*INTERNAL_TABLES, *MART_TABLES):
            if table in MART_VIEWS:
                continue
            name = table.qualified_name
            if PUBLISHED_AS.get(table, table.name) in unchanged and _is_as_long(connection, name):
                continue
            connection.execute(f"DELETE FROM copy.{name}")  # noqa: S608  # names from contract/marts.py
            connection.execute(f"INSERT INTO copy.{name} FROM {name}")
    finally:
        connection.commit()
        connection.execute("DETACH copy")


def _make_empty(attach: str) -> None:
    with duckdb.connect() as structure:
        structure.execute(f"ATTACH ':memory:' AS warehouse; {attach}")
        use_schemas(structure)
        create_tables_of_marts(structure)


def _is_as_long(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Return whether the copy of a table has as many rows as the lake's.

    If it has not, rows were added or removed without a new version, and the copy is out of date.
    """
    counts = f"SELECT (SELECT count(*) FROM copy.{name}) = (SELECT count(*) FROM {name})"  # noqa: S608  # names from contract/marts.py
    return first_row(connection, counts) == (True,)
