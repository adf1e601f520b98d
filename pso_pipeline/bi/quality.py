"""Checks of a published snapshot: how old its data are, and whether its totals and rates are possible.

Reads the snapshot and the one before it. What follows from the findings is decided in `orchestration`.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import duckdb

from pso_pipeline.bi.folder import Snapshot
from pso_pipeline.bi.rates import load_metrics, rate_sql
from pso_pipeline.contract.marts import FCT_PRODUCT_SERVICE_ORDERS, RPT_ORDERS
from pso_pipeline.warehouse.session import open_duckdb

COLLAPSED_SHARE = 0.2
"""Share of its orders that a hotel may lose from one snapshot to the next before it counts as a collapse."""

COLLAPSED_ORDERS = 10
"""Orders that a hotel may lose, whatever their share."""

HOTELS = """
    SELECT
        hotel.enterprise_id,
        coalesce(any_value(hotel.partition_key), hotel.enterprise_id),
        coalesce(bool_or(hotel.is_in_scope), FALSE),
        any_value(hotel.as_of_utc),
        coalesce(sum(daily.orders_created), 0)::BIGINT
    FROM mart.dim_enterprises AS hotel
    LEFT JOIN (
        SELECT enterprise_id, sum(orders_created) AS orders_created FROM mart.agg_orders_daily GROUP BY enterprise_id
    ) AS daily ON daily.enterprise_id = hotel.enterprise_id
    GROUP BY hotel.enterprise_id
    ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class PublishedHotel:
    """The published figures of one hotel; `as_of_utc` is aware, and None where there are no figures of it."""

    enterprise_id: str
    partition_key: str
    is_in_scope: bool
    as_of_utc: datetime | None
    orders: int


@dataclass(frozen=True, slots=True)
class ImpossibleRate:
    """A rate of one hotel that is not between 0 and 1."""

    partition_key: str
    rate: str
    value: float


@dataclass(frozen=True, slots=True)
class Collapse:
    """A hotel that has lost most of its orders since the snapshot before."""

    hotel: PublishedHotel
    orders_before: int

    @property
    def lost(self) -> int:
        """How many orders it has lost."""
        return self.orders_before - self.hotel.orders


def read_hotels(snapshot: Snapshot) -> list[PublishedHotel]:
    """Read the published figures of each hotel, in the order of their ids.

    Raises:
        duckdb.Error: The snapshot is damaged.
    """
    with _open(snapshot) as connection:
        rows = _rows(connection, HOTELS)
    return [
        PublishedHotel(enterprise, key, is_in_scope, as_of and as_of.replace(tzinfo=UTC), orders)
        for enterprise, key, is_in_scope, as_of, orders in rows
    ]


def find_impossible_rates(snapshot: Snapshot, hotels: Mapping[str, str]) -> list[ImpossibleRate]:
    """Find the rates of `metrics.yml` that are not between 0 and 1, of each of the hotels, given by id with their keys.

    Quotients of two flows may pass 1 and are left out.
    """
    shares = sorted((rate for rate in load_metrics().rates if rate.is_share), key=attrgetter("table"))
    found = []
    with _open(snapshot) as connection:
        for table, of_table in groupby(shares, key=attrgetter("table")):
            rates = list(of_table)
            columns = ", ".join(map(rate_sql, rates))
            # an expression cannot be bound
            query = f"SELECT enterprise_id, {columns} FROM mart.{table} GROUP BY enterprise_id"  # noqa: S608  # our own metrics.yml
            for enterprise, *values in _rows(connection, query):
                found += [
                    ImpossibleRate(hotels.get(enterprise, enterprise), rate.name, value)
                    for rate, value in zip(rates, values, strict=True)
                    if value is not None and not 0 <= value <= 1
                ]
    return found


def find_differences(
    snapshot: Snapshot, hotels: list[PublishedHotel], computed: Mapping[str, tuple[datetime | None, int]]
) -> list[str]:
    """Compare the orders in the snapshot with those that the marts were computed from; say where they differ.

    `computed` gives for each hotel, by its id, the `as_of_utc` and the orders of the marts. Hotels whose marts have
    moved on since, and those that are held back, are not compared.
    """
    orders = sum(hotel.orders for hotel in hotels)
    rows = {name: snapshot.manifest.tables[name].rows for name in (FCT_PRODUCT_SERVICE_ORDERS.name, RPT_ORDERS.name)}
    found = [
        f"{name} has {count:,} rows, and the hotels have {orders:,} orders"
        for name, count in rows.items()
        if count != orders
    ]
    for hotel in hotels:
        as_of_utc, expected = computed.get(hotel.enterprise_id, (None, 0))
        is_compared = hotel.partition_key not in snapshot.manifest.held_back and hotel.as_of_utc == as_of_utc
        if is_compared and hotel.orders != expected:
            found.append(f"{hotel.partition_key} has {hotel.orders:,} orders, and {expected:,} in the warehouse")
    return found


def find_collapses(hotels: list[PublishedHotel], before: list[PublishedHotel]) -> list[Collapse]:
    """Find the hotels that have far fewer orders than in the snapshot before."""
    orders_now = {hotel.enterprise_id: hotel for hotel in hotels}
    pairs = [(orders_now[each.enterprise_id], each.orders) for each in before if each.enterprise_id in orders_now]
    return [
        Collapse(hotel, orders)
        for hotel, orders in pairs
        if orders - hotel.orders > max(COLLAPSED_ORDERS, COLLAPSED_SHARE * orders)
    ]


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


@contextlib.contextmanager
def _open(snapshot: Snapshot) -> Iterator[duckdb.DuckDBPyConnection]:
    with (
        tempfile.TemporaryDirectory(prefix="pso-checks-") as spill,
        open_duckdb(snapshot.database, spill=Path(spill), read_only=True) as connection,
    ):
        yield connection
