"""DataFrames of the API's records: what fetching returns and what landings take.

The columns, their order and their dtypes come from the contract. All are Arrow-backed, so that a missing value stays
missing whatever the type, an amount stays exact, and DuckDB reads a frame without a copy. What a record holds is
decided in `mews/records.py`, what becomes of a row in `warehouse/landing`.

| column type | dtype |
| --- | --- |
| VARCHAR, JSON | `string[pyarrow]` |
| BIGINT, INTEGER | `int64[pyarrow]` |
| DOUBLE | `double[pyarrow]` |
| DECIMAL(18,4) | `decimal128(18, 4)[pyarrow]` |
| BOOLEAN | `bool[pyarrow]` |
| DATE | `date32[day][pyarrow]` |
| TIMESTAMP | `timestamp[us][pyarrow]`, in UTC |
| VARCHAR[] | `list<item: string>[pyarrow]` |
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import pandas as pd
import pyarrow as pa

from pso_pipeline.contract.columns import ColumnType, Table
from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.contract.warehouse import REJECTED_RECORDS
from pso_pipeline.mews.records import Reject, Rows

_TYPES: dict[ColumnType, pa.DataType] = {
    "VARCHAR": pa.string(),
    "JSON": pa.string(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int64(),
    "DOUBLE": pa.float64(),
    "DECIMAL(18,4)": pa.decimal128(18, 4),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "VARCHAR[]": pa.list_(pa.string()),
}


def table_frame(table: Table, values: Mapping[str, Any], rows: int) -> pd.DataFrame:
    """Make a DataFrame with the columns of a table that `values` has: a list with a value for each row, or one for all.

    Aware times become UTC without a zone, as the warehouse keeps them.
    """
    return pd.DataFrame(
        {
            column.name: _series(values[column.name], column.type, rows)
            for column in table.columns
            if column.name in values
        }
    )


@cache
def empty_frame(table: Table) -> pd.DataFrame:
    """Return a DataFrame with all columns of a table and no rows."""
    return table_frame(table, {name: [] for name in table.column_names}, 0)


def records_frame(endpoint: Endpoint, rows: Rows, ours: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Make a DataFrame of records: the columns that the API fills, `extra`, and those of `ours`."""
    return table_frame(endpoint.table, {**rows, **(ours or {})}, len(rows["id"]) if rows else 0)


def rejects_frame(
    operation: str, rejects: Sequence[Reject], observed_utc: datetime, enterprise_of: Mapping[str, str]
) -> pd.DataFrame:
    """Make a DataFrame of rejected records, with the columns of `mews.rejected_records`."""
    values = {
        "operation": operation,
        "enterprise_id": [each.enterprise_id or enterprise_of.get(each.scope_id or "") for each in rejects],
        "reason": [each.reason for each in rejects],
        "record": [each.raw_json for each in rejects],
        "observed_utc": observed_utc,
    }
    return table_frame(REJECTED_RECORDS, values, len(rejects))


def concatenated(frames: Sequence[pd.DataFrame], otherwise: pd.DataFrame) -> pd.DataFrame:
    """Put frames together as one; `otherwise` where there are none."""
    return pd.concat(frames, ignore_index=True) if frames else otherwise


def _series(values: Any, kind: ColumnType, rows: int) -> "pd.Series[Any]":
    listed = values if isinstance(values, list) else [values] * rows
    if kind == "TIMESTAMP":
        array = pa.array(listed, pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    else:
        array = pa.array(listed, _TYPES[kind])
    return pd.Series(pd.arrays.ArrowExtensionArray(array))
