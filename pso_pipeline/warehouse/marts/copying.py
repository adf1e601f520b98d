"""Copying the marts of a lake into a DuckDB file, as they would be if they had been computed there.

Holds the copy. When it is made, and what becomes of it, belongs to `bi/snapshot.py`.
"""

from pathlib import Path

import duckdb

from pso_pipeline.contract.marts import INTERNAL_TABLES, MART_TABLES, MART_VIEWS
from pso_pipeline.warehouse.marts.derive import create_tables_of_marts
from pso_pipeline.warehouse.schema import use_schemas
from pso_pipeline.warehouse.sql import literal

MARTS_STORAGE = "v1.0.0"
"""Format of a file with marts: files of newer ones would not open in the DuckDB 1.0 drivers that BI tools ship."""


def copy_marts(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write the marts that an open lake has now into a new file, with every comment.

    Raises:
        duckdb.Error: The file cannot be written, or the lake not be read.
    """
    attach = f"ATTACH {literal(str(path))} AS marts (STORAGE_VERSION {literal(MARTS_STORAGE)})"
    with duckdb.connect() as structure:
        structure.execute(f"ATTACH ':memory:' AS warehouse; {attach}")
        use_schemas(structure)
        create_tables_of_marts(structure)
    connection.execute(attach.replace(" AS marts ", " AS copy "))
    connection.begin()
    try:
        for table in (*INTERNAL_TABLES, *MART_TABLES):
            if table not in MART_VIEWS:
                # the contract's names
                connection.execute(f"INSERT INTO copy.{table.qualified_name} FROM {table.qualified_name}")
    finally:
        connection.commit()
        connection.execute("DETACH copy")
