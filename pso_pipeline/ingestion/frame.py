"""From records to DataFrames: the form in which everything travels from the API to the warehouse.

The columns, their order and their types come from the column contract; all are Arrow-backed, which lands in DuckDB four
times as fast as pandas' object columns. What is in a record is decided in `mews/records.py`, what becomes of a row in
`warehouse/landing`.
"""

import itertools
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa

from pso_pipeline.contract.columns import Column, Table
from pso_pipeline.contract.warehouse import PRODUCT_SERVICE_ORDERS, REJECTED_RECORDS
from pso_pipeline.mews.pagination import Page
from pso_pipeline.mews.records import Order, Record, Reject, extras
from pso_pipeline.mews.requests import GetProductServiceOrders
from pso_pipeline.warehouse.landing.orders import OrdersLanding
from pso_pipeline.warehouse.landing.progress import Progress

_ARROW_TYPES = {
    "VARCHAR": pa.string(),
    "JSON": pa.string(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MET_SCHEMA = pa.schema({"service_id": pa.string(), "id": pa.string()})


@dataclass(slots=True)
class FrameBuilder:
    """Gathers pages of orders until they are taken as one landing.

    `enterprise_of` maps services to enterprises, since an order names its service alone; an order of a service that
    no list has named lands without its enterprise. `keeps_ids` gathers which orders a full resync met, unreadable
    ones included.
    """

    enterprise_of: Mapping[str, str]
    keeps_ids: bool = False
    _orders: list[pa.Table] = field(default_factory=list)
    _rejects: list[pa.Table] = field(default_factory=list)
    _met: list[pa.Table] = field(default_factory=list)

    def add(self, page: Page[Order], fetched_utc: datetime) -> None:
        """Add a page that was read at `fetched_utc`, by the server's clock."""
        service_ids = [order.service_id for order in page.records]
        if page.records:
            ours = {
                "enterprise_id": [self.enterprise_of.get(service) for service in service_ids],
                "is_missing_from_source": False,
                "fetched_utc": fetched_utc,
            }
            self._orders.append(records_table(page.records, PRODUCT_SERVICE_ORDERS, ours))
        if page.rejects:
            operation = GetProductServiceOrders.operation
            self._rejects.append(rejects_table(operation, page.rejects, fetched_utc, self.enterprise_of))
        if self.keeps_ids:
            ids = [order.id for order in page.records] + [reject.id for reject in page.rejects]
            services = service_ids + [reject.service_id for reject in page.rejects]
            self._met.append(pa.table([services, ids], schema=_MET_SCHEMA))

    def take(self, progress: Sequence[Progress] = ()) -> OrdersLanding:
        """Hand over what was gathered, with the progress that it stands for, and start anew."""
        taken = OrdersLanding(
            orders=frame_of(self._orders, arrow_schema(PRODUCT_SERVICE_ORDERS)),
            rejects=frame_of(self._rejects, arrow_schema(REJECTED_RECORDS)),
            met=frame_of(self._met, _MET_SCHEMA),
            progress=progress,
        )
        self._orders, self._rejects, self._met = [], [], []
        return taken


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow types of a table of the contract; times are UTC without a zone, as the warehouse keeps them."""
    return pa.schema([(column.name, _ARROW_TYPES[column.type]) for column in table.columns])


def records_table(records: Sequence[Record], table: Table, ours: Mapping[str, Any]) -> pa.Table:
    """Make an Arrow table of records, with the columns of `table` that the API fills or that `ours` does.

    `ours` holds a list with a value for each record, or one value for all.
    """
    of_api = [column for column in table.columns if column.api_name is not None and column.name not in ours]
    values = _values(records, of_api) if records else {column.name: () for column in of_api}
    arrays = {}
    for column in table.columns:
        if column.name in ours:
            value = ours[column.name]
            is_list = isinstance(value, list)
            arrays[column.name] = _array(value, column) if is_list else _repeated(value, column, len(records))
        elif column.name == "extra":
            found = extras(records)
            arrays[column.name] = _repeated(None, column, len(records)) if found is None else _array(found, column)
        elif column.api_name is not None:
            arrays[column.name] = _array(values[column.name], column)
    return pa.table(arrays)


def rejects_table(
    operation: str, rejects: Sequence[Reject], observed_utc: datetime, enterprise_of: Mapping[str, str]
) -> pa.Table:
    """Make an Arrow table with the columns of `mews.rejected_records`."""
    enterprises = [reject.enterprise_id or enterprise_of.get(reject.service_id or "") for reject in rejects]
    return pa.table(
        [
            [operation] * len(rejects),
            enterprises,
            [reject.reason for reject in rejects],
            [reject.raw_json for reject in rejects],
            _array([observed_utc] * len(rejects), REJECTED_RECORDS.columns[-1]),
        ],
        schema=arrow_schema(REJECTED_RECORDS),
    )


def frame_of(tables: Sequence[pa.Table], schema: pa.Schema) -> pd.DataFrame:
    """Put Arrow tables together as one DataFrame with Arrow-backed columns; nothing is copied."""
    whole = pa.concat_tables(tables) if tables else schema.empty_table()
    frame: pd.DataFrame = whole.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _values(records: Sequence[Record], columns: Sequence[Column]) -> dict[str, Sequence[Any]]:
    """Read the columns of the records, by name; a nested object that is null has nulls."""
    values: dict[str, Sequence[Any]] = {}
    for outer, group in itertools.groupby(sorted(columns, key=_outer), key=_outer):
        members = list(group)
        attributes = [
            _snake_case(str(column.api_name).partition(".")[2]) if outer else column.name for column in members
        ]
        objects: Sequence[Any] = records
        if outer:
            nothing = SimpleNamespace(**dict.fromkeys(attributes))
            objects = [getattr(record, outer) or nothing for record in records]
        values |= zip((column.name for column in members), _transposed(objects, attributes), strict=True)
    return values


def _outer(column: Column) -> str:
    """Name the attribute with the nested object in which a column's value is; empty for the record itself."""
    outer, _, inner = str(column.api_name).partition(".")
    return outer.lower() if inner else ""


def _transposed(objects: Sequence[Any], attributes: Sequence[str]) -> Iterator[Sequence[Any]]:
    """Give the values of each attribute in turn.

    One object after the other: its values lie together in memory, and going through all objects for each attribute
    takes twice as long.
    """
    each = map(operator.attrgetter(*attributes), objects)
    return zip(*each, strict=True) if len(attributes) > 1 else iter([list(each)])


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _array(values: Sequence[Any], column: Column) -> pa.Array:
    if column.type == "TIMESTAMP":
        # pyarrow asks each date-time's zone for its offset, which takes five times as long as the difference
        since_epoch = [value and value - _EPOCH for value in values]
        return pa.array(since_epoch, pa.duration("us")).view(_ARROW_TYPES["TIMESTAMP"])
    return pa.array(values, _ARROW_TYPES[column.type])


def _repeated(value: object, column: Column, rows: int) -> pa.Array:
    return pa.repeat(_array([value], column)[0], rows)
