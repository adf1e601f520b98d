"""The counts on the page, read from a published snapshot: enough to compute every rate under any filter, and no order.

Which counts there are follows from `metrics.yml`. How large the page may grow is set here; how it looks stands in
`charts.py` and `page.py`.
"""

import math
import re
import statistics
import tempfile
from collections.abc import Sequence
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from pso_pipeline.bi.errors import SnapshotUnreadable
from pso_pipeline.bi.rates import SMALL_GROUP, Measure, Metrics, Rate, load_metrics
from pso_pipeline.warehouse.memory import THREADS, limit_memory, with_enough_memory

MAX_MONTHS = 60
"""The newest months that the page holds."""

MAX_CELLS = 80_000
"""About how many groups of counts the listed hotels may have: 80,000 are 1.3 MB of the page."""

MAX_HOTELS = 200
MAX_SERVICES = 60
MAX_ORIGINS = 10
MAX_SEGMENTS = 5
"""The largest that the page lists by name; what lies beyond is counted together."""

CURVE_DAYS = (0, 1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 75, 90, 120, 150, 180, 240, 300, 365)
"""Ages at which the cancellation curve is shown, in days."""

DURATION_STEPS = (0.25, 1, 6, 24, 3 * 24, 7 * 24, 14 * 24, 30 * 24, 90 * 24, 365 * 24)
"""Ends of the bars of the time to cancel, in hours; the last bar takes what lies beyond too."""

PRECISION = 0.1
"""The bins of a duration are no wider than this, relative to their lower end, and so no quantile is further off."""

SHORTEST_HOURS = 1 / 60
"""Shorter durations are counted together."""

COUNTING_MEMORY_MB = 120
"""What DuckDB may hold while it counts, in MB: 5 million orders take 115, and 180 came to 60 MB more at the peak."""

_ADDITIVE = re.compile(r"(?:SUM|COUNT)\((?!\s*DISTINCT\b).+\)", re.DOTALL)
_QUANTILE = re.compile(r"MEDIAN\((?P<median_of>\w+)\)|QUANTILE_CONT\((?P<column>\w+), (?P<quantile>0?\.\d+)\)")


class Hotel(msgspec.Struct, frozen=True):
    """One hotel that the page lists by name. `as_of_utc` is naive UTC, None before it was read to its end."""

    label: str
    time_zone: str | None
    as_of_utc: datetime | None
    is_in_scope: bool
    orders: int


class OtherHotels(msgspec.Struct, frozen=True):
    """The hotels that the page counts together: how many, and as of when the oldest and the newest."""

    hotels: int
    oldest_as_of_utc: datetime | None
    newest_as_of_utc: datetime | None


class Counts(msgspec.Struct, frozen=True):
    """Counts of one table, column by column: row i belongs to `hotel[i]`, `service[i]` and so on.

    Keys are positions in the lists of `ReportData`, which for "all others" is their length. `values` is keyed by the
    aggregate, as `metrics.yml` writes it.
    """

    hotel: list[int]
    service: list[int]
    origin: list[int]
    segment: list[int]
    month: list[int]
    values: dict[str, list[int]]


class Curve(msgspec.Struct, frozen=True):
    """The cancellation curve: for each row the counts on each of `days`, as far as the cohort's maturity goes."""

    days: tuple[int, ...]
    hotel: list[int]
    service: list[int]
    month: list[int]
    at_risk: list[list[int]]
    canceled: list[list[int]]


class Durations(msgspec.Struct, frozen=True):
    """How long something took, as numbers of orders in bins of at most `PRECISION`.

    Bin i ends at `edges[i]` hours, which belong to it; `steps` are those edges between which the page draws bars.
    """

    edges: tuple[float, ...]
    steps: tuple[float, ...]
    hotel: list[int]
    service: list[int]
    month: list[int]
    bin: list[int]
    orders: list[int]


class Quantile(msgspec.Struct, frozen=True):
    """A measure of `metrics.yml` that the page reads from `durations`: the given quantile, between 0 and 1."""

    measure: Measure
    quantile: float


class ReportData(msgspec.Struct, frozen=True):
    """Everything that the page computes from.

    `counts` is keyed by the name of the table. `months` are first days without gaps. `orders` counts the snapshot's
    orders, `orders_shown` those created in `months`. `roles` names the aggregates of two sets that the page shows by
    themselves: `created` and `firm` orders. `normal_quantile` is that of a two-sided 95 % interval.
    """

    rates: tuple[Rate, ...]
    quantiles: tuple[Quantile, ...]
    roles: dict[str, str]
    small_group: int
    normal_quantile: float
    months: list[date]
    hotels: list[Hotel]
    other_hotels: OtherHotels | None
    services: list[str]
    origins: list[str]
    segments: list[str]
    counts: dict[str, Counts]
    curve: Curve
    durations: Durations
    orders: int
    orders_shown: int


def read_report_data(database: Path) -> ReportData:
    """Read the counts from the DuckDB file of a published snapshot, which is opened read-only.

    Raises:
        SnapshotUnreadable: It is no DuckDB file, or lacks a table or a column that this version of the package reads.
    """
    try:
        with (
            # DuckDB's own choice would be a folder beside the database, among the published files
            tempfile.TemporaryDirectory(prefix="pso-report-") as spill,
            duckdb.connect(
                str(database), read_only=True, config={"temp_directory": spill, "threads": THREADS}
            ) as connection,
        ):
            limit_memory(connection, COUNTING_MEMORY_MB)
            return with_enough_memory(connection, lambda: _read(connection, load_metrics()))
    except duckdb.Error as error:
        raise SnapshotUnreadable(
            f"{database} cannot be read, publish it again: {str(error).splitlines()[0]}"
        ) from error


def duration_edges() -> tuple[float, ...]:
    """Give the ends of the bins of a duration in hours: the bars' own ends, and enough between them for `PRECISION`."""
    edges = [SHORTEST_HOURS]
    for lower, upper in zip((SHORTEST_HOURS, *DURATION_STEPS), DURATION_STEPS, strict=False):
        bins = math.ceil(math.log(upper / lower) / math.log(1 + PRECISION))
        edges += [lower * (upper / lower) ** (step / bins) for step in range(1, bins)]
        edges.append(upper)
    return tuple(edges)


def quantile_of(measure: Measure) -> tuple[str, float]:
    """Tell which quantile of which column a measure is.

    Raises:
        ValueError: It is something else, which bins cannot give.
    """
    found = _QUANTILE.fullmatch(measure.expression)
    if found is None:
        raise ValueError(f"{measure.name} is no quantile that the report can show: {measure.expression}")
    return found["median_of"] or found["column"], float(found["quantile"] or 0.5)


def aggregates_of(rates: Sequence[Rate]) -> list[str]:
    """List each aggregate that the rates divide, once.

    Raises:
        ValueError: One is not a sum or a count, so that the page must not add it up.
    """
    found = dict.fromkeys(aggregate for rate in rates for aggregate in (rate.numerator, rate.denominator))
    for aggregate in found:
        if not _ADDITIVE.fullmatch(aggregate):
            raise ValueError(f"the report cannot add up {aggregate}")
    return list(found)


def _read(connection: duckdb.DuckDBPyConnection, metrics: Metrics) -> ReportData:
    curve_rate = metrics.rate("cancellation_curve")
    rates = tuple(rate for rate in metrics.rates if rate is not curve_rate)
    connection.execute(_query("months"), {"max_months": MAX_MONTHS})
    connection.execute(_query("services"), {"max_values": MAX_SERVICES})
    connection.execute(_query("values").format(column="origin"), {"max_values": MAX_ORIGINS})
    connection.execute(_query("values").format(column="account_type"), {"max_values": MAX_SEGMENTS})
    connection.execute(_query("hotels"), {"max_hotels": MAX_HOTELS, "max_cells": MAX_CELLS})
    hotels, others = _read_hotels(connection)
    orders, orders_shown = connection.execute(_query("totals")).fetchall()[0]
    return ReportData(
        rates=rates,
        quantiles=tuple(Quantile(measure, quantile_of(measure)[1]) for measure in metrics.measures),
        roles={
            "created": metrics.rate("cancellations_per_order_created").denominator,
            "firm": metrics.rate("cancellation_rate_to_date").denominator,
        },
        small_group=SMALL_GROUP,
        normal_quantile=statistics.NormalDist().inv_cdf(0.975),
        months=[row[0] for row in connection.execute("SELECT month FROM months ORDER BY position").fetchall()],
        hotels=hotels,
        other_hotels=others,
        services=_labels(connection, "services"),
        origins=_labels(connection, "origin_values"),
        segments=_labels(connection, "account_type_values"),
        counts={
            table: _read_counts(connection, table, [rate for rate in rates if rate.table == table])
            for table in dict.fromkeys(rate.table for rate in rates)
        },
        curve=_read_curve(connection, curve_rate),
        durations=_read_durations(connection, metrics.measures),
        orders=orders,
        orders_shown=orders_shown,
    )


def _read_hotels(connection: duckdb.DuckDBPyConnection) -> tuple[list[Hotel], OtherHotels | None]:
    listed = connection.execute(
        "SELECT label, time_zone, as_of_utc, is_in_scope, orders::BIGINT FROM hotels WHERE is_listed ORDER BY position"
    ).fetchall()
    number, oldest, newest = connection.execute(
        "SELECT count(*), min(as_of_utc), max(as_of_utc) FROM hotels WHERE NOT is_listed"
    ).fetchall()[0]
    return [Hotel(*row) for row in listed], OtherHotels(number, oldest, newest) if number else None


def _labels(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    query = "SELECT DISTINCT position, label FROM query_table($table) WHERE label IS NOT NULL ORDER BY position"
    return [row[1] for row in connection.execute(query, {"table": table}).fetchall()]


def _read_counts(connection: duckdb.DuckDBPyConnection, table: str, rates: Sequence[Rate]) -> Counts:
    dates = {rate.date for rate in rates}
    if len(dates) != 1:
        raise ValueError(f"the report counts {table} by one date, not by {' and '.join(sorted(dates))}")
    aggregates = aggregates_of(rates)
    expressions = ",\n    ".join(f'coalesce({aggregate}, 0)::BIGINT AS "{aggregate}"' for aggregate in aggregates)
    query = _query("counts").format(table=table, date=dates.pop(), aggregates=expressions)
    columns = _columns(connection.execute(query))
    values = {aggregate: columns.pop(aggregate) for aggregate in aggregates}
    return Counts(**columns, values=values)


def _read_curve(connection: duckdb.DuckDBPyConnection, rate: Rate) -> Curve:
    query = _query("curve").format(date=rate.date, numerator=rate.numerator, denominator=rate.denominator)
    return Curve(CURVE_DAYS, **_columns(connection.execute(query, {"days": list(CURVE_DAYS)})))


def _read_durations(connection: duckdb.DuckDBPyConnection, measures: Sequence[Measure]) -> Durations:
    sources = {(measure.table, measure.date, quantile_of(measure)[0]) for measure in measures}
    if len(sources) != 1:
        raise ValueError(f"the report shows quantiles of one duration, not of {len(sources)}")
    table, column_of_dates, column = sources.pop()
    edges = duration_edges()
    query = _query("durations").format(table=table, date=column_of_dates, column=column)
    return Durations(edges, DURATION_STEPS, **_columns(connection.execute(query, {"edges": list(edges)})))


def _columns(rows: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = rows.to_arrow_table().to_pydict()
    return columns


def _query(name: str) -> str:
    return files("pso_pipeline.bi.report").joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")
