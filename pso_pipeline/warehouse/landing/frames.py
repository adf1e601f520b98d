"""Handing rows to a statement: a registered name for the length of a block, with the column types spelled out.

Nothing here knows what the rows mean.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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


def rows_of_records(name: str, records: "Iterable[DataclassInstance]", schema: pa.Schema) -> Rows:
    """Take dataclass instances as rows; aware date-times become UTC without a zone, as the warehouse keeps them."""
    return Rows(name, pa.Table.from_pylist([_plain(asdict(record)) for record in records], schema=schema))


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


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value
        for key, value in record.items()
    }
