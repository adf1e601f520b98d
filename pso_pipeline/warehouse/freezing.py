"""A frozen catalog: one DuckDB file beside the data of a lake, with which BI reads the marts without PostgreSQL.

It names the Parquet files of the marts as they were at one instant, and holds nothing of the landed tables. It can be
read as long as those files are kept (`maintaining.py`). What BI gets instead of a lake is in `bi/snapshot.py`.
"""

import functools
import shutil
from pathlib import Path

import duckdb

from pso_pipeline.settings import DUCKLAKE_PREFIX, is_object_storage
from pso_pipeline.warehouse.errors import WarehouseUnusable, first_line
from pso_pipeline.warehouse.lake import local_folder, read_data_path
from pso_pipeline.warehouse.session import Warehouse, open_duckdb
from pso_pipeline.warehouse.sql import first_row, literal
from pso_pipeline.warehouse.writing import CATALOG, write

NAME = "marts.ducklake"

SCHEMAS = ("mart", "internal")
"""What stays: the tables that BI reads, and those that their views are made of."""

# rows in the catalog have PostgreSQL's types, which a catalog in a file reads as others
FLUSH = "SELECT count(*) FROM ducklake_flush_inlined_data('warehouse', schema_name => $schema)"

# a time that is after those of all clocks; the newest snapshot always stays
EXPIRE = "SELECT count(*) FROM ducklake_expire_snapshots('lake', older_than => '9999-12-31'::TIMESTAMPTZ)"


def freeze(warehouse: Warehouse) -> str:
    """Write the catalog of a lake's marts as they are now into a file beside its data, and return where that is.

    The file before is replaced at once. Nobody writes to the lake while its catalog is copied.

    Raises:
        WarehouseUnusable: The warehouse is a file, or the place of the data cannot be written.
        WarehouseBusy: Another process has been writing for longer than this one waits.
        OSError: The folder of the data cannot be written.
    """
    if not warehouse.lake:
        raise WarehouseUnusable(
            f"{warehouse.shown_location} is no DuckLake, and has no catalog to freeze: "
            "BI reads the snapshot in PSO_BI_DIR"
        )
    with local_folder() as folder:
        whole, frozen = folder / "whole.ducklake", folder / NAME
        with warehouse.hold(), warehouse.open_held() as connection:
            target = f"{read_data_path(connection).rstrip('/')}/{NAME}"
            _copy_catalog(connection, whole)
        try:
            with open_duckdb(spill=folder / "spill") as connection:
                warehouse.lake.load(connection)
                _keep_marts(connection, whole, frozen)
                _put(connection, frozen, target)
        except duckdb.Error as error:
            raise WarehouseUnusable(f"{target} could not be written: {first_line(error)}") from None
    return target


def _copy_catalog(connection: duckdb.DuckDBPyConnection, whole: Path) -> None:
    """Copy the catalog's tables, in one transaction, with all rows of the marts in files."""
    for schema in SCHEMAS:
        write(connection, functools.partial(first_row, connection, FLUSH, {"schema": schema}))
    connection.execute(f"ATTACH {literal(str(whole))} AS whole")
    connection.begin()
    tables = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables()"
        # not those of a copy from before a migration, in a schema of its own
        " WHERE database_name = $catalog AND schema_name IN ('public', 'main')"
        " AND starts_with(table_name, 'ducklake_')",
        {"catalog": CATALOG},
    ).fetchall()
    for schema, table in tables:
        # the names of DuckLake's own tables
        connection.execute(f'CREATE TABLE whole.main."{table}" AS FROM {CATALOG}."{schema}"."{table}"')
    connection.commit()
    connection.execute("DETACH whole")


def _keep_marts(connection: duckdb.DuckDBPyConnection, whole: Path, frozen: Path) -> None:
    """Remove what is not of the marts, also from what the file held before."""
    connection.execute(f"ATTACH {literal(f'{DUCKLAKE_PREFIX}{whole}')} AS lake")
    schemas = "SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'lake' AND schema_name <> 'main'"
    for (schema,) in connection.execute(schemas).fetchall():
        if schema not in SCHEMAS:
            connection.execute(f'DROP SCHEMA lake."{schema}" CASCADE')
    first_row(connection, EXPIRE)
    connection.execute("DETACH lake")
    connection.execute(f"ATTACH {literal(str(whole))} AS whole (READ_ONLY); ATTACH {literal(str(frozen))} AS frozen")
    connection.execute("COPY FROM DATABASE whole TO frozen")
    # whoever cleans up in the copy would delete files that the lake itself still keeps
    connection.execute("DELETE FROM frozen.ducklake_files_scheduled_for_deletion")
    connection.execute("DETACH whole; DETACH frozen")


def _put(connection: duckdb.DuckDBPyConnection, frozen: Path, target: str) -> None:
    if is_object_storage(target):
        connection.sql("SELECT content FROM read_blob($path)", params={"path": str(frozen)}).create_view("content")
        connection.execute(f"COPY (FROM content) TO {literal(target)} (FORMAT blob)")
        return
    fresh = Path(f"{target}.new")
    shutil.copyfile(frozen, fresh)
    fresh.replace(target)
