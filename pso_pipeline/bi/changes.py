"""What changed, as `mart.agg_changes` ranks and words it, for the digest and the report.

What is a change belongs to the view, and where it is shown to the callers.
"""

from collections.abc import Sequence
from datetime import date

import duckdb
import msgspec

from pso_pipeline.contract.marts import AGG_CHANGES

CHANGES = """
    SELECT
        changes.enterprise_id, enterprises.partition_key, changes.level, changes.service_id, changes.origin,
        changes.window_days, changes.to_date, changes.kind, changes.orders, changes.compared_orders,
        changes.cancellations, changes.compared_cancellations, changes.expected_cancellations,
        changes.excess_cancellations, changes.excess_low, changes.excess_high, changes.is_beyond_chance,
        changes.sentence
    FROM {changes} AS changes
    LEFT JOIN mart.dim_enterprises AS enterprises ON enterprises.enterprise_id = changes.enterprise_id
    WHERE changes.rank IS NOT NULL
    QUALIFY row_number() OVER (ORDER BY changes.rank) <= $most
        AND row_number() OVER (PARTITION BY changes.enterprise_id ORDER BY changes.rank) <= $most_of_hotel
    ORDER BY changes.rank
"""
"""`changes` is the view, or the Parquet file that it was written into: for a million orders that takes a second."""


class Change(msgspec.Struct, frozen=True):
    """One change, with the columns of `mart.agg_changes` that tell it; dates are local to the hotel."""

    enterprise_id: str
    partition_key: str | None
    level: str
    service_id: str | None
    origin: str | None
    window_days: int
    to_date: date
    kind: str
    orders: int
    compared_orders: float
    cancellations: int
    compared_cancellations: float
    expected_cancellations: float | None
    excess_cancellations: float | None
    excess_low: float | None
    excess_high: float | None
    is_beyond_chance: bool
    sentence: str


def read_changes(connection: duckdb.DuckDBPyConnection, most: int) -> tuple[Change, ...]:
    """Read the `most` remarkable changes of a snapshot, the most remarkable first.

    Raises:
        duckdb.CatalogException: An older version of the package published the snapshot.
    """
    found = connection.execute(
        CHANGES.format(changes=AGG_CHANGES.qualified_name), {"most": most, "most_of_hotel": most}
    )
    names = [name for name, *_ in found.description or ()]
    return tuple(Change(**dict(zip(names, row, strict=True))) for row in found.fetchall())


def headline_of(are_beyond_chance: Sequence[bool]) -> str:
    """Say in one sentence what a list of changes is, of each of which is known whether it is beyond chance."""
    if not are_beyond_chance:
        return "There is too little history to say what changed: that takes 5 weeks of orders."
    if not any(are_beyond_chance):
        return "Nothing changed beyond chance. The largest differences are:"
    return "What changed:" if all(are_beyond_chance) else "What changed, and the largest other differences:"
