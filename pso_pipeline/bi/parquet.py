"""The marts as Parquet files: one file for each small table, one for each month of a large table, in hive layout.

Holds which tables are large, where their files are, which files have to be written and which are hard links to those of
the snapshot before. A file is linked only if its version is the same as before: the marts number the transactions that
change a table or a month. How a snapshot is put together belongs to `snapshot.py`.
"""

import logging
import shutil
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path

import duckdb

from pso_pipeline.bi.folder import PARQUET, Snapshot, link, seal
from pso_pipeline.bi.manifest import ParquetFile, PublishedTable
from pso_pipeline.contract.marts import (
    FCT_ORDER_ITEMS,
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
    FCT_ORDER_ITEMS.name: "SELECT *, created_date AS order_date FROM mart.fct_order_items",
}
"""The rows of each table that is published by month, with the date on which their order, or the item, was created."""

VERSIONS = """
    SELECT table_name, strftime(created_month, '%Y-%m'), marts_id || '.' || version
    FROM internal.table_versions, internal.marts_origin
    ORDER BY ALL
"""
EMPTY_VERSION = "SELECT marts_id || '.empty' FROM internal.marts_origin"
MONTHS = "SELECT DISTINCT strftime(order_date, '%Y-%m') AS month FROM ({rows}) ORDER BY month"
COUNT = "SELECT count(*) FROM query_table($table)"

COPY_TABLE = """
    COPY (FROM query_table($table)) TO ($path) (FORMAT parquet, COMPRESSION zstd)
"""
COPY_MONTH = """
    COPY (SELECT * EXCLUDE (order_date) FROM ({rows}) WHERE order_date >= $first AND order_date < $next) TO ($path)
    (FORMAT parquet, COMPRESSION zstd)
"""
COPY_NO_MONTH = """
    COPY (SELECT * EXCLUDE (order_date) FROM ({rows}) WHERE order_date IS NULL) TO ($path)
    (FORMAT parquet, COMPRESSION zstd)
"""

logger = logging.getLogger(__name__)


def table_path(table: str) -> str:
    """Give the path of a table, relative to the manifest: the file of a small table, the folder of a large one."""
    return f"{PARQUET}/{table}" if table in LARGE_TABLES else f"{PARQUET}/{table}.parquet"


def month_path(table: str, month: str) -> str:
    """Give the path of the file of one month of a large table, relative to the manifest."""
    return f"{table_path(table)}/created_month={month}/data_0.parquet"


def read_versions(marts: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Read the version of each Parquet file that the marts give, by table and by the path of the file.

    A small table without a version has an empty one, which is never the same as before.

    Raises:
        duckdb.Error: The marts have no versions.
    """
    versions: dict[str, dict[str, str]] = {table.name: {} for table in MART_TABLES}
    for table, month, version in marts.execute(VERSIONS).fetchall():
        if table in versions:
            path = month_path(table, month or NO_MONTH) if table in LARGE_TABLES else table_path(table)
            versions[table][path] = version
    for table, files in versions.items():
        if table not in LARGE_TABLES:
            files.setdefault(table_path(table), "")
        elif not files and _count(marts, table) == 0:
            (files[month_path(table, NO_MONTH)],) = first_row(marts, EMPTY_VERSION) or ("",)
    return versions


def write_tables(
    marts: duckdb.DuckDBPyConnection,
    versions: Mapping[str, Mapping[str, str]],
    directory: Path,
    before: Snapshot | None,
) -> tuple[dict[str, PublishedTable], tuple[str, ...]]:
    """Write every table into the folder `directory`; return the tables by name, and the names of those that changed.

    `versions` are from `read_versions`. A file that has the same version in the snapshot `before` is linked instead.
    """
    tables, changed = {}, []
    for table, of_table in versions.items():
        linked = {file.file: file for file in _link_unchanged(of_table, directory, before)}
        written = [
            _write(marts, table, path, version, directory) for path, version in of_table.items() if path not in linked
        ]
        files = [*linked.values(), *written]
        if table in LARGE_TABLES and sum(file.rows for file in files) != _count(marts, table):
            logger.warning("all months of %s are written again, because versions are missing", table)
            written = files = _write_all_months(marts, table, directory)
        tables[table] = _describe(table, files)
        if written:
            changed.append(table)
    return tables, tuple(changed)


def _link_unchanged(versions: Mapping[str, str], directory: Path, before: Snapshot | None) -> Iterable[ParquetFile]:
    """Link the files that are in the snapshot before with the same version, and return them as they are there."""
    if before is None:
        return
    for table in before.manifest.tables.values():
        for file in table.files:
            if not file.version or file.version != versions.get(file.file):
                continue
            if not before.has(file):
                logger.warning("%s is missing or damaged and is written again", before.directory / file.file)
                continue
            link(before.directory / file.file, directory / file.file)
            yield file


def _write(marts: duckdb.DuckDBPyConnection, table: str, path: str, version: str, directory: Path) -> ParquetFile:
    """Let DuckDB write a Parquet file, and seal it."""
    file = directory / path
    file.parent.mkdir(parents=True, exist_ok=True)
    parameters: dict[str, object] = {"path": str(file)}
    if table not in LARGE_TABLES:
        statement = COPY_TABLE
        parameters["table"] = f"mart.{table}"
    elif path == month_path(table, NO_MONTH):
        statement = COPY_NO_MONTH.format(rows=LARGE_TABLES[table])
    else:
        statement = COPY_MONTH.format(rows=LARGE_TABLES[table])
        first = date.fromisoformat(file.parent.name.partition("=")[2] + "-01")
        parameters |= {"first": first, "next": (first + timedelta(days=31)).replace(day=1)}
    (rows,) = first_row(marts, statement, parameters) or (0,)
    sealed = seal(directory, path)
    return ParquetFile(file=path, bytes=sealed.bytes, sha256=sealed.sha256, rows=rows, version=version)


def _write_all_months(marts: duckdb.DuckDBPyConnection, table: str, directory: Path) -> list[ParquetFile]:
    """Write each month of a large table, without a version."""
    shutil.rmtree(directory / table_path(table), ignore_errors=True)
    months = marts.execute(MONTHS.format(rows=LARGE_TABLES[table])).fetchall()
    return [_write(marts, table, month_path(table, month or NO_MONTH), "", directory) for (month,) in months]


def _count(marts: duckdb.DuckDBPyConnection, table: str) -> int:
    (rows,) = first_row(marts, COUNT, {"table": f"mart.{table}"}) or (0,)
    return int(rows)


def _describe(table: str, files: Iterable[ParquetFile]) -> PublishedTable:
    ordered = tuple(sorted(files, key=lambda file: file.file))
    rows = sum(file.rows for file in ordered)
    if table in LARGE_TABLES:
        return PublishedTable(rows=rows, files=ordered)
    (only,) = ordered
    return PublishedTable(rows=rows, files=ordered, file=only.file, bytes=only.bytes, sha256=only.sha256)
