"""The marts as Parquet files: written from the copy, or taken over from the version before where nothing changed.

Holds how Parquet is written here. How a change is known stands in `digests.py`.

`rpt_orders` has every column of the facts and of each order the names of its hotel and service. Its file is the file of
the facts, written just before, and these labels beside it: the facts are a hundred times as much, and the labels move
with each refresh, since the hotel's `as_of_utc` is one of them.

`agg_cancellation_curve` has a hundred times the rows that it is unfolded from, and time alone moves those of the last
thirteen months. Its file is put together month by month, and months that stand are taken over.
"""

import contextlib
import logging
import os
import tempfile
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pso_pipeline.bi.digests import digest_groups
from pso_pipeline.bi.folder import PARQUET, Snapshot, seal
from pso_pipeline.bi.joining import NotJoinable, join_columns
from pso_pipeline.bi.manifest import PublishedTable
from pso_pipeline.bi.months import write_months
from pso_pipeline.contract.columns import Table
from pso_pipeline.contract.marts import (
    AGG_CANCELLATION_CURVE,
    CANCELLATION_CURVE_RUNS,
    FCT_PRODUCT_SERVICE_ORDERS,
    RPT_ORDERS,
)

COPY_TABLE = """
    COPY (FROM query_table($table)) TO ($file)
    (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 30720)
"""
"""How a table is written; the rows stand in no promised order.

Ids are random text, which zstd's level 1 packs as tightly as its usual 3 in two thirds of the time. Each
thread holds a row group outside DuckDB's memory limit: of 30,720 rows of 40 columns that is half of what 61,440 take.
"""

COPY_MONTH = """
    COPY (FROM query_table($table) WHERE cohort_month = $month) TO ($file)
    (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)
"""
"""How a month of the cancellation curve is written: six columns only, so that row groups may be large."""

LABEL_KEY = ("enterprise_id", "service_id")
"""What the labels of an order follow from."""

LABELS = tuple(column.name for column in RPT_ORDERS.columns[len(FCT_PRODUCT_SERVICE_ORDERS.columns) :])

READ_LABELS = """
    SELECT enterprise_id, service_id, first(COLUMNS(name -> list_contains($labels, name))), count(*) AS orders
    FROM mart.rpt_orders
    GROUP BY enterprise_id, service_id
"""

OpenCopy = Callable[[], contextlib.AbstractContextManager[duckdb.DuckDBPyConnection]]
"""Opens the copy of the marts. What DuckDB knows of deleted rows stays in its memory until the file is closed: 30 to
40 MB for each of the large tables of 5 million orders, once changes are scattered in them."""

logger = logging.getLogger(__name__)


def parquet_file(table: Table) -> str:
    """Name the Parquet file of a table, relative to the manifest."""
    return f"{PARQUET}/{table.name}.parquet"


def write_tables(
    open_copy: OpenCopy,
    tables: Collection[Table],
    version: Path,
    digests: Mapping[str, str],
    *,
    before: Snapshot | None,
    beside: Executor,
) -> dict[str, PublishedTable]:
    """Write tables and views into the folder `version` and describe the files, by the names in `digests`.

    `digests` are those of the content; the copy is opened for each table by itself. The facts are among the tables, or
    lie in `version` already. `before` is what was published before, of which months are taken over. What DuckDB has no
    part in is done by `beside` meanwhile, on the core that DuckDB leaves idle half of the time: hashing, and putting
    `rpt_orders` together.
    """
    described, joining = {}, None
    first = [table for table in (FCT_PRODUCT_SERVICE_ORDERS, RPT_ORDERS) if table in tables]
    for table in (*first, *(table for table in tables if table not in first)):
        if table is RPT_ORDERS:
            joining = beside.submit(_write_beside_facts, _read_labels(open_copy), version)
        else:
            rows = _write_curve(open_copy, version, before) if table is AGG_CANCELLATION_CURVE else None
            if rows is None:
                rows = _copy(open_copy, table, version)
            described[table.name] = beside.submit(_describe, table, version, rows, digests[table.name])
    if joining:
        joined = joining.result()
        rows = _copy(open_copy, RPT_ORDERS, version) if joined is None else joined
        described[RPT_ORDERS.name] = beside.submit(_describe, RPT_ORDERS, version, rows, digests[RPT_ORDERS.name])
    return {name: each.result() for name, each in described.items()}


def _copy(open_copy: OpenCopy, table: Table, version: Path) -> int:
    """Let DuckDB write the file of a table, and return its rows."""
    parameters = {"table": table.qualified_name, "file": str(version / parquet_file(table))}
    with open_copy() as connection:
        row = connection.execute(COPY_TABLE, parameters).fetchone()
    return row[0] if row else 0


def _write_curve(open_copy: OpenCopy, version: Path, before: Snapshot | None) -> int | None:
    """Write the cancellation curve by its months and return its rows; None where that cannot be done."""
    table = AGG_CANCELLATION_CURVE
    path = version / parquet_file(table)

    def write_month(month: date, file: Path) -> None:
        parameters = {"table": table.qualified_name, "month": month, "file": str(file)}
        connection.execute(COPY_MONTH, parameters)

    with open_copy() as connection:
        digests = digest_groups(connection, table, CANCELLATION_CURVE_RUNS, "cohort_month", COPY_MONTH)
        try:
            return write_months(path, digests, write_month, _file_of(table, before))
        except NotJoinable as error:
            if digests:
                logger.warning("%s is written anew, its usual way failed: %s", path.name, error)
            path.unlink(missing_ok=True)
            return None


def _describe(table: Table, version: Path, rows: int, digest: str) -> PublishedTable:
    sealed = seal(version, parquet_file(table))
    return PublishedTable(file=sealed.file, bytes=sealed.bytes, sha256=sealed.sha256, rows=rows, content_digest=digest)


def _read_labels(open_copy: OpenCopy) -> pa.Table:
    with open_copy() as connection:
        return connection.execute(READ_LABELS, {"labels": LABELS}).to_arrow_table()


def _write_beside_facts(labels: pa.Table, version: Path) -> int | None:
    """Put the labels of each order beside the facts and return the rows; None where that cannot be done."""
    facts, path = version / parquet_file(FCT_PRODUCT_SERVICE_ORDERS), version / parquet_file(RPT_ORDERS)
    with tempfile.TemporaryDirectory(dir=version) as folder:
        beside = Path(folder, "labels.parquet")
        try:
            _write_labels(facts, labels, beside)
            return join_columns(facts, beside, path)
        except (NotJoinable, OSError, pa.ArrowException) as error:
            logger.warning("%s is written from the marts, its usual way failed: %s", path.name, error)
            path.unlink(missing_ok=True)
            return None


def _write_labels(facts: Path, labels: pa.Table, path: Path) -> None:
    """Write the labels of the orders in `facts`, in their order and in row groups of the same size.

    Texts come as places in a list of them, as Parquet keeps them, so that nobody looks for each of them again.
    """
    keys = zip(*(labels[name].to_pylist() for name in LABEL_KEY), strict=True)
    place_of = {key: place for place, key in enumerate(keys)}
    wanted = labels.select(LABELS)
    schema = _with_places(wanted.slice(0, 0)).schema
    with (
        pq.ParquetFile(facts, read_dictionary=LABEL_KEY, pre_buffer=False) as source,
        pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, store_schema=False) as writer,
    ):
        if (pc.sum(labels["orders"]).as_py() or 0) != source.metadata.num_rows:
            raise NotJoinable("the names of hotels or services are not unique")
        for number in range(source.num_row_groups):
            orders = source.read_row_group(number, columns=list(LABEL_KEY), use_threads=False)
            kinds, kind_of_order = _distinct(*(orders[name].combine_chunks() for name in LABEL_KEY))
            of_kinds = _with_places(wanted.take(pa.array([place_of[kind] for kind in kinds], pa.int32())))
            writer.write_table(of_kinds.take(kind_of_order), row_group_size=len(orders))


def _with_places(labels: pa.Table) -> pa.Table:
    """Replace each text by its place in a list of the different ones."""
    columns = (
        column.combine_chunks().dictionary_encode() if pa.types.is_string(column.type) else column
        for column in labels.columns
    )
    return pa.table(dict(zip(labels.column_names, columns, strict=True)))


def _distinct(hotels: pa.DictionaryArray, services: pa.DictionaryArray) -> tuple[list[tuple[str, str]], pa.Array]:
    """Find the pairs of hotel and service, and for each order the place of its own among them."""
    number = len(services.dictionary)
    codes = pc.add(pc.multiply(hotels.indices, number), services.indices).dictionary_encode()
    hotel_ids, service_ids = hotels.dictionary.to_pylist(), services.dictionary.to_pylist()
    places = (divmod(code, number) for code in codes.dictionary.to_pylist())
    return [(hotel_ids[hotel], service_ids[service]) for hotel, service in places], codes.indices


def take_over(table: Table, version: Path, before: Snapshot | None, digest: str) -> PublishedTable | None:
    """Put the file of the version before into `version` as well, as a hard link; None where that is not possible."""
    published = before.manifest.tables.get(table.name) if before else None
    if published is None or published.content_digest != digest:
        return None
    source = _file_of(table, before)
    if source is None:
        return None
    try:
        os.link(source, version / parquet_file(table))
    except OSError:  # not every file system has hard links, and some only let the owner of a file make them
        return None
    return published


def _file_of(table: Table, before: Snapshot | None) -> Path | None:
    """Find the file of a table in the version before; None where it is not there with its name and content."""
    published = before.manifest.tables.get(table.name) if before else None
    if before is None or published is None or published.file != parquet_file(table):
        return None
    if not before.has_intact(published):
        logger.warning("%s is missing or damaged and is written again", before.directory / published.file)
        return None
    return before.directory / published.file
