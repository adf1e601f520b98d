"""What checks read besides the counts of rules: repeated ids, rejected records, volumes, comparisons with the source.

Each function takes an open connection and returns plain values, which know how they are judged. Add a function here
for a check that is not a rule.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow as pa

from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.contract.limits import MAX_COUNT
from pso_pipeline.warehouse.checks.templates import sql
from pso_pipeline.warehouse.landing.frames import TIMESTAMP, Rows, registered
from pso_pipeline.warehouse.sql import statement

LEAST_USUAL_ORDERS = 20
"""Orders a week below which chance alone makes a hotel's weeks too different to be judged."""

DEVIATIONS = 4
"""How many times the usual spread a week may lie from the usual volume."""


@dataclass(frozen=True, slots=True)
class RepeatedId:
    """A hotel that an id or a partition key concerns which should exist once in `table`, and what was found."""

    table: str
    enterprise_id: str
    partition_key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Records that could not be read for one reason; `for_example` is the partition key of one of their hotels."""

    reason: str
    records: int
    latest_utc: datetime
    for_example: str | None


@dataclass(frozen=True, slots=True)
class Volume:
    """Orders created in a hotel's last 7 complete days, `last_day` the latest, and what is usual for it in a week."""

    enterprise_id: str
    partition_key: str
    last_day: date
    orders: int
    usual: float
    spread: float

    @property
    def lowest(self) -> float:
        """Fewer orders are a sudden drop: less than half, and further off than weeks usually are."""
        return max(0.0, min(self.usual / 2, self.usual - DEVIATIONS * self.spread))

    @property
    def highest(self) -> float:
        """More orders are a sudden jump: more than twice as many, and further off than weeks usually are."""
        return max(self.usual * 2, self.usual + DEVIATIONS * self.spread)

    @property
    def is_judged(self) -> bool:
        """Whether the hotel usually has enough orders to be judged."""
        return self.usual >= LEAST_USUAL_ORDERS

    @property
    def is_usual(self) -> bool:
        """Whether the week is neither a drop nor a jump."""
        return not self.is_judged or self.lowest <= self.orders <= self.highest


@dataclass(frozen=True, slots=True)
class Window:
    """The interval in which a hotel's orders are compared with the source; both ends are aware and included."""

    enterprise_id: str
    start_utc: datetime
    end_utc: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """Orders of a hotel in a window, at the source and in the warehouse.

    `missing` counts versions that the source has, while the warehouse has neither them nor newer ones.
    `changed_or_gone` counts orders of the warehouse that the source did not return: they changed after the window, or
    are gone.
    """

    at_source: int
    in_warehouse: int
    missing: int
    changed_or_gone: int


def read_computed_orders(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[datetime | None, int]]:
    """Read the aware as_of_utc and the orders of the marts of each hotel, by id, that the rule about them compared."""
    rows = connection.execute(statement("checks/computed_orders.sql")).fetchall()
    return {enterprise: (as_of and as_of.replace(tzinfo=UTC), orders) for enterprise, as_of, orders in rows}


def count_missing_orders(connection: duckdb.DuckDBPyConnection, enterprise_ids: Collection[str]) -> dict[str, int]:
    """Count the landed orders that the source no longer has, of each of the hotels, by id."""
    query, parameters = statement("checks/missing_orders.sql"), {"enterprise_ids": list(enterprise_ids)}
    return dict(connection.execute(query, parameters).fetchall())


def read_repeated_ids(connection: duckdb.DuckDBPyConnection) -> list[RepeatedId]:
    """Read the hotels that a repeated id or partition key concerns."""
    return [RepeatedId(*row) for row in connection.execute(statement("checks/repeated_ids.sql")).fetchall()]


def read_rejections(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> list[Rejection]:
    """Read why records of an endpoint could not be read, the most frequent reason first."""
    rows = connection.execute(sql("rejected_records", endpoint), {"operation": endpoint.operation}).fetchall()
    return [Rejection(reason, records, latest.replace(tzinfo=UTC), key) for reason, records, latest, key in rows]


def read_volumes(connection: duckdb.DuckDBPyConnection) -> list[Volume]:
    """Read the last week's orders of each hotel in scope that has 9 weeks of history, with what is usual for it."""
    return [Volume(*row) for row in connection.execute(statement("checks/volumes.sql")).fetchall()]


def comparison_windows(
    connection: duckdb.DuckDBPyConnection, enterprise_ids: Collection[str], overlap: timedelta
) -> list[Window]:
    """Choose for each hotel that was read to the end a window of one page of orders, about, and 89 days at most."""
    rows = connection.execute(
        statement("checks/comparison_windows.sql"),
        {"enterprise_ids": list(enterprise_ids), "overlap": overlap, "orders": MAX_COUNT},
    ).fetchall()
    return [Window(enterprise, start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)) for enterprise, start, end in rows]


def compare(connection: duckdb.DuckDBPyConnection, window: Window, found: Collection[tuple[str, datetime]]) -> Counts:
    """Compare what the source answered for a window, ids with aware update times, with what is held."""
    table = pa.table(
        {
            "id": pa.array([identifier for identifier, _ in found], pa.string()),
            "updated_utc": pa.array([updated for _, updated in found], pa.timestamp("us", "UTC")).cast(TIMESTAMP),
        }
    )
    with registered(connection, Rows("found", table)):
        row = connection.execute(
            statement("checks/compare_with_source.sql"),
            {
                "enterprise_id": window.enterprise_id,
                "start_utc": window.start_utc.replace(tzinfo=None),
                "end_utc": window.end_utc.replace(tzinfo=None),
            },
        ).fetchall()[0]
    return Counts(*row)
