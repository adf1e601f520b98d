"""From records to DataFrames: the form in which everything travels from the API to the warehouse.

The columns, their order and their types come from the column contract; all are Arrow-backed, which lands in DuckDB four
times as fast as pandas' object columns. What is in a record is decided in `mews/records.py`, what becomes of a row in
`warehouse/landing`.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct
from msgspec.structs import astuple

from pso_pipeline.contract.columns import Column, Table
from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS
from pso_pipeline.contract.warehouse import REJECTED_RECORDS
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
_COLUMNS = {column.name: column for column in PRODUCT_SERVICE_ORDERS.table.columns}
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
        """Add a page of orders, read at `fetched_utc` by the server's clock."""
        orders = orders_table(page.records)
        if len(orders):
            fetched = _repeated(fetched_utc, _COLUMNS["fetched_utc"], len(orders))
            self._orders.append(orders.append_column("fetched_utc", fetched))
        if page.rejects:
            operation = GetProductServiceOrders.operation
            self._rejects.append(rejects_table(operation, page.rejects, fetched_utc, self.enterprise_of))
        if self.keeps_ids:
            self._met.append(orders.select(_MET_SCHEMA.names))
            unreadable = [[reject.service_id for reject in page.rejects], [reject.id for reject in page.rejects]]
            self._met.append(pa.table(unreadable, schema=_MET_SCHEMA))

    def take(self, progress: Sequence[Progress] = ()) -> OrdersLanding:
        """Hand over what was gathered, with the progress that it stands for, and start anew."""
        taken = OrdersLanding(
            orders=frame_of(self._whole_orders(), arrow_schema(PRODUCT_SERVICE_ORDERS.table)),
            rejects=frame_of(self._rejects, arrow_schema(REJECTED_RECORDS)),
            met=frame_of(self._met, _MET_SCHEMA),
            progress=progress,
        )
        self._orders, self._rejects, self._met = [], [], []
        return taken

    def _whole_orders(self) -> list[pa.Table]:
        """Put the pages together with the columns that are ours; none where no order came."""
        whole = []
        for orders in _in_one_piece(self._orders):
            ours = {
                "enterprise_id": self._enterprises(orders["service_id"]),
                "is_missing_from_source": _repeated(False, _COLUMNS["is_missing_from_source"], len(orders)),
            }
            whole.append(pa.table({name: ours[name] if name in ours else orders[name] for name in _COLUMNS}))
        return whole

    def _enterprises(self, services: pa.ChunkedArray) -> pa.Array:
        """Name the enterprise of each service; pages have few, so each is looked up once."""
        encoded = services.combine_chunks().dictionary_encode()
        enterprises = [self.enterprise_of.get(service) for service in encoded.dictionary.to_pylist()]
        return pc.take(pa.array(enterprises, pa.string()), encoded.indices, memory_pool=pa.system_memory_pool())


def orders_table(orders: Sequence[Order]) -> pa.Table:
    """Make an Arrow table of orders, with the columns of `mews.product_service_orders` that the API fills."""
    return records_table(orders, PRODUCT_SERVICE_ORDERS.table, {})


@cache
def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow types of a table of the contract; times are UTC without a zone, as the warehouse keeps them."""
    return pa.schema([(column.name, _ARROW_TYPES[column.type]) for column in table.columns])


def records_table(records: Sequence[Record], table: Table, ours: Mapping[str, Any]) -> pa.Table:
    """Make an Arrow table of records, with the columns of `table` that the API fills or that `ours` does.

    `ours` holds a list with a value for each record, or one value for all.
    """
    of_api = [column for column in table.columns if column.path is not None and column.name not in ours]
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
        elif column.path is not None:
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
    return _frame(pa.concat_tables(tables)) if tables else _empty_frame(schema)


@cache
def _empty_frame(schema: pa.Schema) -> pd.DataFrame:
    """Make the DataFrame of no rows: of rejects nearly every landing has none, and making one takes 0.7 ms."""
    return _frame(schema.empty_table())


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _in_one_piece(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Copy tables into one: DuckDB takes 0.7 µs an order more where each page of 1,000 is a piece of its own.

    Memory of the system itself is given back when the copy has landed. In Arrow's own pool it lies between pages that
    come and go, and stays: 50 MB at the peak of a first load of 5 million orders.
    """
    return [pa.concat_tables(tables).combine_chunks(memory_pool=pa.system_memory_pool())] if tables else []


def _values(records: Sequence[Record], columns: Sequence[Column]) -> dict[str, Sequence[Any]]:
    """Read the columns of the records, by name; a nested object that is null has nulls."""
    names = {column.name: _attribute(column) for column in columns}
    own = _attributes(records, {outer or name for outer, name in names.values()})
    inner = {
        outer: _nested(own[outer], {name for at, name in names.values() if at == outer})
        for outer in {outer for outer, _ in names.values() if outer}
    }
    return {column: (inner[outer] if outer else own)[name] for column, (outer, name) in names.items()}


def _attribute(column: Column) -> tuple[str, str]:
    """Name the attribute that holds a nested object, empty for the record itself, and the value's attribute there."""
    outer, _, inner = str(column.path).partition(".")
    return (outer.lower(), _snake_case(inner)) if inner else ("", column.name)


def _attributes(objects: Sequence[Struct], names: Collection[str]) -> dict[str, Sequence[Any]]:
    """Read these attributes of all objects.

    Objects of one class, which is usual, are read whole: asking each for one attribute after the other takes twice as
    long.
    """
    kinds: set[type[Struct]] = set(map(type, objects))
    if len(kinds) != 1:
        return {name: [getattr(each, name) for each in objects] for name in names}
    fields = kinds.pop().__struct_fields__
    flat = list(itertools.chain.from_iterable(map(astuple, objects)))
    return {name: flat[fields.index(name) :: len(fields)] for name in names}


def _nested(parts: Sequence[Struct | None], names: Collection[str]) -> dict[str, Sequence[Any]]:
    """Read these attributes of nested objects; those of one that is null are null."""
    kinds = {type(part) for part in parts if part is not None}
    if not kinds:
        return dict.fromkeys(names, [None] * len(parts))
    nothing = kinds.pop()()
    return _attributes([nothing if part is None else part for part in parts], names)


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
