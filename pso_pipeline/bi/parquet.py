"""The marts as Parquet files: written from the copy, or taken over from the version before where nothing changed.

Holds the one way in which Parquet is written here. How a change is known stands in `digests.py`.
"""

import os
from pathlib import Path

import duckdb

from pso_pipeline.bi.folder import PARQUET, Snapshot, seal
from pso_pipeline.bi.manifest import PublishedTable
from pso_pipeline.contract.columns import Table
from pso_pipeline.warehouse.memory import with_enough_memory

COPY_TABLE = """
    COPY (FROM query_table($table)) TO ($file)
    (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 30720)
"""
"""How a table is written; the rows stand in no promised order.

Ids are random text, which zstd's level 1 packs as tightly as its usual 3 in two thirds of the time. Each
thread holds a row group outside DuckDB's memory limit: of 30,720 rows of 40 columns that is half of what 61,440 take.
"""


def parquet_file(table: Table) -> str:
    """Name the Parquet file of a table, relative to the manifest."""
    return f"{PARQUET}/{table.name}.parquet"


def write_table(connection: duckdb.DuckDBPyConnection, table: Table, version: Path, digest: str) -> PublishedTable:
    """Write a table or view into the folder `version` and describe the file; `digest` is that of its content."""
    file = parquet_file(table)
    parameters = {"table": table.qualified_name, "file": str(version / file)}
    row = with_enough_memory(connection, lambda: connection.execute(COPY_TABLE, parameters).fetchone())
    sealed = seal(version, file)
    return PublishedTable(
        file=file, bytes=sealed.bytes, sha256=sealed.sha256, rows=row[0] if row else 0, content_digest=digest
    )


def take_over(table: Table, version: Path, before: Snapshot | None, digest: str) -> PublishedTable | None:
    """Put the file of the version before into `version` as well, as a hard link; None where that is not possible."""
    published = before.manifest.tables.get(table.name) if before else None
    if before is None or published is None or published.content_digest != digest:
        return None
    file = parquet_file(table)
    source = before.directory / published.file
    if published.file != file or not source.is_file() or source.stat().st_size != published.bytes:
        return None
    try:
        os.link(source, version / file)
    except OSError:  # not every file system has hard links, and some only let the owner of a file make them
        return None
    return published
