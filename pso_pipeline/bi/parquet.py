"""The marts as Parquet files: one file for each small table, a folder in hive layout by month for each large table.

Holds which tables are large, where their files are, which files have to be written and which are hard links to those of
the snapshot before. A table or month is linked only where its version number is that of the snapshot before; the marts
raise the number in each transaction that changes it. How a snapshot is put together belongs to `snapshot.py`.
"""

import errno
import logging
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb

from pso_pipeline.bi.folder import PARQUET, Snapshot, seal
from pso_pipeline.bi.manifest import ParquetFile, PublishedTable
from pso_pipeline.contract.marts import (
    FCT_ORDER_STATE_CHANGES,
    FCT_PRODUCT_SERVICE_ORDERS,
    MART_TABLES,
    RPT_ORDERS,
)
from pso_pipeline.warehouse.sql import first_row

NO_MONTH = "__HIVE_DEFAULT_PARTITION__"
"""How hive layout names the partition of the rows that have no value."""

LARGE_TABLES = {
    FCT_PRODUCT_SERVICE_ORDERS.name: "SELECT *, created_date AS order_date FROM mart.fct_product_service_orders",
    RPT_ORDERS.name: "SELECT *, created_date AS order_date FROM mart.rpt_orders",
    FCT_ORDER_STATE_CHANGES.name: """
        SELECT changes.*, orders.created_date AS order_date
        FROM mart.fct_order_state_changes AS changes
        LEFT JOIN mart.fct_product_service_orders AS orders ON orders.order_id = changes.order_id
    """,
}
"""The rows of each table that is published by month, with the date on which their order was created."""

VERSIONS = """
    SELECT table_name, strftime(created_month, '%Y-%m'), marts_id || '.' || version
    FROM internal.table_versions, internal.marts_origin
    ORDER BY ALL
"""
COPY_MONTHS = """
    COPY (
        SELECT
            * EXCLUDE (order_date),
            coalesce(strftime(order_date, '%Y-%m'), '__HIVE_DEFAULT_PARTITION__') AS created_month
        FROM ({rows})
        WHERE $all_months OR created_month IN (SELECT unnest($months::VARCHAR[]))
    ) TO ($path)
    (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (created_month), OVERWRITE_OR_IGNORE, RETURN_STATS)
"""
COPY_NO_ROWS = """
    COPY (SELECT * EXCLUDE (order_date) FROM ({rows}) LIMIT 0) TO ($path)
    (FORMAT parquet, COMPRESSION zstd, RETURN_STATS)
"""
COPY_TABLE = "COPY (FROM query_table($table)) TO ($path) (FORMAT parquet, COMPRESSION zstd, RETURN_STATS)"

COUNT = "SELECT count(*) FROM query_table($table)"

CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK}
"""What a file system answers that has no hard links, not between these two places, or no more of them for this file."""

logger = logging.getLogger(__name__)


def read_versions(marts: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Read the version of every table and month in the marts, by table and by the path of its file or month folder.

    Raises:
        duckdb.Error: The marts have no versions.
    """
    versions: dict[str, dict[str, str]] = {table.name: {} for table in MART_TABLES}
    has_versions = marts.execute("FROM duckdb_tables() WHERE table_name = 'table_versions'").fetchall()
    for table, month, version in marts.execute(VERSIONS).fetchall() if has_versions else _hash_tables(marts):
        if table in versions:
            path = month_path(table, month or NO_MONTH) if table in LARGE_TABLES else table_path(table)
            versions[table][path] = version
    return versions


def _hash_tables(marts: duckdb.DuckDBPyConnection) -> list[tuple[str, str | None, str]]:
    """Give each table a version by its content, until the marts number their versions."""
    months = "SELECT DISTINCT strftime(created_date, '%Y-%m') FROM mart.fct_product_service_orders"
    hashing = (
        "SELECT count(*) || '.' || sum(hash(content)) || '.' || bit_xor(hash(content)) FROM query_table(?) AS content"
    )
    return [
        (table.name, month, str((first_row(marts, hashing, [table.qualified_name]) or (None,))[0]))
        for table in MART_TABLES
        for (month,) in (marts.execute(months).fetchall() if table.name in LARGE_TABLES else [(None,)])
    ]


def table_path(table: str) -> str:
    """Give the path of a table, relative to the manifest: the file of a small table, the folder of a large one."""
    return f"{PARQUET}/{table}" if table in LARGE_TABLES else f"{PARQUET}/{table}.parquet"


def month_path(table: str, month: str) -> str:
    """Give the path of the folder of one month of a large table, relative to the manifest."""
    return f"{table_path(table)}/created_month={month}"


def write_tables(
    marts: duckdb.DuckDBPyConnection,
    versions: Mapping[str, Mapping[str, str]],
    directory: Path,
    before: Snapshot | None,
) -> tuple[dict[str, PublishedTable], tuple[str, ...]]:
    """Write every table into the folder `directory`; return the tables by name, and the names of those that changed.

    `versions` are from `read_versions`. Tables and months that have the same version in the snapshot `before` are
    linked instead of written.
    """
    tables, changed = {}, []
    for name, of_table in versions.items():
        linked: dict[str, list[ParquetFile]] = {}
        for path, version in of_table.items():
            files = _unchanged_files(path, version, before)
            if before is not None and files is not None:
                _link(files, before.directory, directory)
                linked[path] = files
        if name in LARGE_TABLES:
            files, is_changed = _complete_months(marts, name, of_table, linked, directory)
        elif linked.get(table_path(name)):
            files, is_changed = linked[table_path(name)], False
        else:
            files, is_changed = _copy(marts, COPY_TABLE, directory, table_path(name), {"table": f"mart.{name}"}), True
        tables[name] = _describe(name, files)
        if is_changed:
            changed.append(name)
    return tables, tuple(changed)


def _complete_months(
    marts: duckdb.DuckDBPyConnection,
    table: str,
    versions: Mapping[str, str],
    linked: Mapping[str, list[ParquetFile]],
    directory: Path,
) -> tuple[list[ParquetFile], bool]:
    """Write the months of a large table that are not linked; return all its files, and whether any was written."""
    rows, path = LARGE_TABLES[table], table_path(table)
    (expected,) = first_row(marts, COUNT, {"table": f"mart.{table}"}) or (0,)
    files = [file for of_month in linked.values() for file in of_month]
    months = [month.partition("=")[2] for month in versions if month not in linked]
    if months:
        files += _copy(marts, COPY_MONTHS.format(rows=rows), directory, path, {"months": months, "all_months": False})
    if sum(file.rows for file in files) != expected:
        if versions:
            logger.warning("all months of %s are written again: their versions do not cover all rows", table)
        shutil.rmtree(directory / path, ignore_errors=True)
        return _copy(marts, COPY_MONTHS.format(rows=rows), directory, path, {"months": [], "all_months": True}), True
    if not files:
        folder = month_path(table, NO_MONTH)
        (directory / folder).mkdir(parents=True, exist_ok=True)
        return _copy(marts, COPY_NO_ROWS.format(rows=rows), directory, f"{folder}/data_0.parquet"), True
    return files, bool(months)


def _copy(
    marts: duckdb.DuckDBPyConnection,
    statement: str,
    directory: Path,
    path: str,
    parameters: dict[str, object] | None = None,
) -> list[ParquetFile]:
    """Let DuckDB write Parquet files to `path` in the folder `directory`, and seal them."""
    written = marts.execute(statement, {**(parameters or {}), "path": str(directory / path)}).fetchall()
    return [
        ParquetFile(file=sealed.file, bytes=sealed.bytes, sha256=sealed.sha256, rows=rows)
        for file, rows, *_ in sorted(written)
        for sealed in [seal(directory, str(Path(file).relative_to(directory)))]
    ]


def _unchanged_files(path: str, version: str, before: Snapshot | None) -> list[ParquetFile] | None:
    """Find the files of a table or month in the snapshot before; None where it has another version or lacks a file."""
    if before is None or before.manifest.versions.get(path) != version:
        return None
    files = [
        file
        for table in before.manifest.tables.values()
        for file in table.files
        if file.file == path or file.file.startswith(f"{path}/")
    ]
    for file in files:
        if not before.has(file):
            logger.warning("%s is missing or damaged and is written again", before.directory / file.file)
            return None
    return files


def _link(files: Collection[ParquetFile], source: Path, target: Path) -> None:
    """Put files of one snapshot into another as hard links, or as copies where the file system has none."""
    for each in files:
        path = target / each.file
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / each.file, path)
        except OSError as error:
            if error.errno not in CANNOT_LINK:
                raise
            shutil.copyfile(source / each.file, path)
            seal(target, each.file)


def _describe(table: str, files: Collection[ParquetFile]) -> PublishedTable:
    ordered = tuple(sorted(files, key=lambda file: file.file))
    rows = sum(file.rows for file in ordered)
    if table in LARGE_TABLES:
        return PublishedTable(rows=rows, files=ordered)
    (only,) = ordered
    return PublishedTable(rows=rows, files=ordered, file=only.file, bytes=only.bytes, sha256=only.sha256)
