"""Handing rows to a statement: a registered name for the length of a block, with the column types spelled out.

Nothing here knows what the rows mean.
"""

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TIMESTAMP = pa.timestamp("us")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows for a statement, registered as `name`."""

    name: str
    table: pa.Table


def rows_of_frame(name: str, frame: pd.DataFrame) -> Rows:
    """Take a DataFrame's rows; Arrow-backed columns are not copied."""
    return Rows(name, pa.Table.from_pandas(frame, preserve_index=False))


def rows_of_records(name: str, records: "Collection[DataclassInstance]", schema: pa.Schema) -> Rows:
    """Take instances of one dataclass as rows; a column that they have no attribute for is null.

    Aware date-times become UTC without a zone, as the warehouse keeps them.
    """
    return Rows(name, pa.Table.from_arrays([_column(records, each) for each in schema], schema=schema))


@contextlib.contextmanager
def registered(connection: duckdb.DuckDBPyConnection, *rows: Rows) -> Iterator[None]:
    """Make the rows readable by name within the block."""
    for each in rows:
        connection.register(each.name, each.table)
    try:
        yield
    finally:
        for each in rows:
            connection.unregister(each.name)


def _column(records: "Collection[DataclassInstance]", column: pa.Field) -> pa.Array:
    # one column after the other: a dictionary for each of 19,000 services took six times as long
    return pa.array([getattr(record, column.name, None) for record in records], column.type)
