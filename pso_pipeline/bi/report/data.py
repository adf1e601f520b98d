"""The counts on the page, read from a published snapshot: enough to compute every rate under any filter, and no order.

The counts follow from `metrics.yml`. The limits of the page's size are set here; its looks belong to `charts.py` and
`page.py`.
"""

import functools
import math
import re
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import duckdb
import msgspec
import pyarrow as pa

from pso_pipeline.bi.changes import CHANGES
from pso_pipeline.bi.errors import SnapshotUnreadable
from pso_pipeline.bi.parquet import table_path
from pso_pipeline.bi.rates import SMALL_GROUP, Measure, Metrics, Rate, load_metrics
from pso_pipeline.contract.enums import ORIGIN_NAMES
from pso_pipeline.contract.marts import AGG_CHANGES
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.session import open_duckdb
from pso_pipeline.warehouse.sql import arrow_table, literal

MAX_MONTHS = 60
MIN_MONTHS = 13
"""The newest months that the page holds: as many as its size admits between these."""

MAX_CELLS = 19_000
"""About how many groups of counts the listed hotels may have by origin and segment: more make the page too large."""

MAX_HOTELS = 500
MAX_SERVICES = 60
MAX_ORIGINS = 10
MAX_SEGMENTS = 5
"""The largest that the page lists by name; what lies beyond is counted together."""

MAX_PRODUCTS = 300
"""The products that the page lists by name; those beyond are added up together."""

DAYS_AHEAD = 7
"""The days whose consumption the page shows, tomorrow the first."""

MAX_NAMED = 5
"""How many hotels of each status the page names above its figures."""

MAX_LABEL = 60
"""Characters of a name that the page shows; a longer one ends with an ellipsis."""

MAX_CHANGES = 5
"""The changes that the page names, of all hotels and of each."""

CHANGE_WEEKS = 16
"""The weeks that are drawn beside a change."""

WINDOWS = (1, 4, 13, 52)
"""The windows that can be chosen, in weeks up to the hotel's last complete day."""

YEAR_WEEKS = 52
"""Weeks between a day and the same weekday of last year."""

FIRST_WEEKS = (0, 1, 2, 4, 8, 13, 26, 52, 53, 56, 65, 104)
"""Where spans of weeks begin: each window, the one before and last year's are whole spans. The last one ends them."""

SETTLED_WEEKS = 9
"""How many weeks earlier a window of what became of orders lies: 60 days after its creation no order is open."""

CURVE_DAYS = (0, 1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 75, 90, 120, 150, 180, 240, 300, 365)
"""Ages at which the cancellation curve is shown, in days."""

DURATION_STEPS = (0.25, 1, 6, 24, 3 * 24, 7 * 24, 14 * 24, 30 * 24, 90 * 24, 365 * 24)
"""Ends of the bars of the time to cancel, in hours; the last bar takes what lies beyond too."""

PRECISION = 0.1
"""The bins of a duration are no wider than this, relative to their lower end, and so no quantile is further off."""

SHORTEST_HOURS = 1 / 60
"""Shorter durations are counted together."""

OTHERS = {True: "All others", False: "All others, not counted"}
"""What the page calls the hotels that it does not list, by whether totals count them."""

POSITIONS = ("months", "hotels", "placements", "services", "origin_values", "account_type_values", "currencies")
"""Temporary tables with the position on the page of each month, hotel, service, origin, segment and currency."""

T = TypeVar("T")
C = TypeVar("C", bound="Counts")
Query: TypeAlias = Callable[[duckdb.DuckDBPyConnection], T]

_ADDITIVE = re.compile(r"(?:SUM|COUNT)\((?!\s*DISTINCT\b).+\)", re.DOTALL)
_QUANTILE = re.compile(r"MEDIAN\((?P<median_of>\w+)\)|QUANTILE_CONT\((?P<column>\w+), (?P<quantile>0?\.\d+)\)")


Status: TypeAlias = Literal["current", "held back", "not read to its end", "no longer read"]
"""How a hotel stands: `held back` where a check keeps its newest figures back, `not read to its end` where one of its
services never was, `no longer read` where it is out of scope. Totals count neither of the last two."""


class Hotel(msgspec.Struct, frozen=True):
    """One hotel that the page lists by name. `as_of_utc` is naive UTC, None before it was read to its end.

    `key` names it in an address, `weeks_known` are whole weeks from its first order to its last complete day, and
    `is_detailed` says that its orders are divided by origin and segment.
    """

    label: str
    time_zone: str | None
    as_of_utc: datetime | None
    is_counted: bool
    status: Status
    held_back_reason: str | None
    orders: int
    orders_without_items: int
    items_without_order: int
    key: str
    as_of_date: date | None
    weeks_known: int
    is_detailed: bool


class OtherHotels(msgspec.Struct, frozen=True):
    """Hotels that the page shows together, those that totals count apart from the others."""

    label: str
    is_counted: bool
    hotels: int
    orders: int
    orders_without_items: int
    items_without_order: int
    oldest_as_of_utc: datetime | None
    weeks_known: int


class HotelApart(msgspec.Struct, frozen=True):
    """A hotel that the page names above its figures, listed or not; `hotels` have its status, this one included."""

    status: Status
    hotels: int
    label: str
    as_of_utc: datetime | None
    held_back_reason: str | None
    orders: int


class Counts(msgspec.Struct, frozen=True):
    """Counts of one table, column by column: row i belongs to `hotel[i]`, `service[i]` and so on.

    `origin` and `segment` are -1 where a hotel's orders are not divided by them; hotel -1 has the orders of all such
    hotels that are counted once more, divided. Keys are positions in the lists of
    `ReportData`; those of `other_hotels` follow those of `hotels`, and every other list has its "all others" at its
    length. `values` is keyed by the aggregate, as `metrics.yml` writes it.
    """

    hotel: list[int]
    service: list[int]
    origin: list[int]
    segment: list[int]
    values: dict[str, list[int]]


class MonthCounts(Counts, frozen=True):
    """Counts by calendar month."""

    month: list[int]


class SpanCounts(Counts, frozen=True):
    """Counts by span of weeks: `FIRST_WEEKS` says from which week to which, and `Rate` how much earlier."""

    span: list[int]


class WeekCounts(Counts, frozen=True):
    """Counts by week, of which 0 ends with the hotel's last complete day."""

    week: list[int]


class ReportChange(msgspec.Struct, frozen=True):
    """One of the most remarkable changes; `hotel`, `service` and `origin` are positions.

    `weeks` are the orders or cancellations of the last weeks, oldest first, `usual_of_week` those of a usual week.
    """

    subject: str
    sentence: str
    hotel: int
    service: int | None
    origin: int | None
    window_days: int
    kind: str
    usual_of_week: float | None
    is_beyond_chance: bool
    weeks: list[int]


class Amounts(msgspec.Struct, frozen=True):
    """Sums of one table for each currency, as `Counts` has counts, in ten-thousandths: whole numbers add up exactly.

    A sum that is too large for that is None.
    """

    hotel: list[int]
    service: list[int]
    currency: list[int]
    month: list[int]
    values: dict[str, list[int | None]]


class Ahead(msgspec.Struct, frozen=True):
    """What is booked and expected for the next days: row i is on the day `first` and `day[i]` more.

    `outdated` are hotels that are left out: their items were read up to an earlier day than those of the others.
    """

    first: date | None
    products: list[str]
    hotel: list[int]
    service: list[int]
    product: list[int]
    day: list[int]
    booked: list[int]
    expected: list[float | None]
    outdated: list[int]


class Curve(msgspec.Struct, frozen=True):
    """The cancellation curve: for each row, which is a cohort, the orders at risk on the first of `days`.

    `canceled` has the canceled ones on each of `days` up to the age of the youngest of these orders: the page shows no
    day on which any is missing.
    """

    days: tuple[int, ...]
    hotel: list[int]
    service: list[int]
    month: list[int]
    at_risk: list[int]
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

    `counts` and `amounts` are keyed by the name of the table. `value_rates` and `value_measures` come from `amounts`,
    each of one of `currencies`; `has_items` says whether any item is in the snapshot. `months` are first days without
    gaps. `orders` counts the orders of the hotels that are counted, `orders_shown` those of them created in `months`,
    `orders_not_counted` those of the other hotels. `roles` names the aggregates of sets that the page shows by
    themselves: `created`, `firm` and `resolved` orders, and `cancellations`. `weeks_earlier` says for each rate how
    many weeks earlier its `spans` lie. `normal_quantile` is that of a two-sided 95 % interval.
    """

    rates: tuple[Rate, ...]
    quantiles: tuple[Quantile, ...]
    roles: dict[str, str]
    small_group: int
    normal_quantile: float
    months: list[date]
    hotels: list[Hotel]
    other_hotels: list[OtherHotels]
    apart: list[HotelApart]
    services: list[str]
    origins: list[str]
    segments: list[str]
    counts: dict[str, MonthCounts]
    changes: list[ReportChange]
    windows: tuple[int, ...]
    first_weeks: tuple[int, ...]
    weeks_earlier: dict[str, int]
    spans: dict[str, SpanCounts]
    weeks: WeekCounts
    has_items: bool
    value_rates: tuple[Rate, ...]
    value_measures: tuple[Measure, ...]
    currencies: list[str]
    amounts: dict[str, Amounts]
    ahead: Ahead
    curve: Curve
    durations: Durations
    orders: int
    orders_shown: int
    orders_not_counted: int


def read_report_data(database: Path, share: float = 1.0) -> ReportData:
    """Read the counts from the DuckDB file of a published snapshot, which is opened read-only, and its Parquet files.

    `share` is the part of `MAX_CELLS` that the page has room for: with less, it holds fewer months and hotels by name.

    Raises:
        SnapshotUnreadable: It is no DuckDB file, or lacks a table or a column that this version of the package reads.
    """
    metrics = load_metrics()
    try:
        # DuckDB's own choice would be a folder beside the database, among the published files
        with tempfile.TemporaryDirectory(prefix="pso-report-") as spill:
            listed = functools.partial(_query_listed, max_cells=max(1, round(share * MAX_CELLS)))
            positions, found = _read(database, spill, {}, listed)
            changes = database.parent / table_path(AGG_CHANGES.name)
            counting = _counting(metrics) | {"changes": functools.partial(_changes, parquet=changes)}
            found |= {name: _read(database, spill, positions, query) for name, query in counting.items()}
    except duckdb.Error as error:
        raise SnapshotUnreadable(
            f"{database} cannot be read, publish it again: {str(error).splitlines()[0]}"
        ) from error
    return _put_together(found, metrics)


def duration_edges() -> tuple[float, ...]:
    """Give the ends of the bins of a duration in hours: the bars' own ends, and enough between them for `PRECISION`."""
    edges = [SHORTEST_HOURS]
    for lower, upper in zip((SHORTEST_HOURS, *DURATION_STEPS), DURATION_STEPS, strict=False):
        bins = math.ceil(math.log(upper / lower) / math.log(1 + PRECISION))
        edges += [lower * (upper / lower) ** (step / bins) for step in range(1, bins)]
        edges.append(upper)
    return tuple(edges)


def quantile_of(measure: Measure) -> tuple[str, float]:
    """Return the column and the quantile of a measure.

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


def weeks_earlier(rate: Rate) -> int:
    """Return how many weeks earlier than the window the orders of a rate are taken, so that they are old enough.

    A rate without a maturity that divides what became of orders takes orders that are settled; a flow takes the window.
    """
    if rate.maturity_days is not None:
        return math.ceil(rate.maturity_days / 7)
    return SETTLED_WEEKS if rate.format == "percent" and rate.table == "agg_orders_daily" else 0


def label_of(name: str) -> str:
    """Write a name from the API as one line of a page, cut to `MAX_LABEL`."""
    line = for_terminal(name) or "(no name)"
    return line if len(line) <= MAX_LABEL else f"{line[: MAX_LABEL - 1]}…"


def labels_of(names: Iterable[str]) -> list[str]:
    """Write names as lines that differ from each other, also where they differ only in what is cut off or invisible."""
    seen: Counter[str] = Counter()
    labels = []
    for label in map(label_of, names):
        seen[label] += 1
        labels.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return labels


def _line(text: str | None) -> str | None:
    return text and for_terminal(text)


def _read(
    database: Path,
    spill: str,
    positions: Mapping[str, pa.Table],
    query: Query[T],
) -> T:
    """Read by a connection of its own, to which `positions` are known.

    What DuckDB knows of deleted rows stays in memory until the file is closed (see `bi/parquet.py`).
    """
    with open_duckdb(database, spill=Path(spill), read_only=True) as connection:
        for name, rows in positions.items():
            # a table, whose size DuckDB knows: else it joins in an order that takes four times as long
            connection.register("rows", rows)
            connection.execute(f"CREATE TEMP TABLE {name} AS FROM rows")
        return query(connection)


def _query_listed(
    connection: duckdb.DuckDBPyConnection, max_cells: int
) -> tuple[dict[str, pa.Table], dict[str, pa.Table]]:
    """Read the tables `POSITIONS`, and what the page lists, by the name of what it is."""
    connection.execute(
        _query("months"),
        {
            "max_months": MAX_MONTHS,
            "min_months": min(MIN_MONTHS, MAX_MONTHS),
            "max_cells": max_cells,
            "max_hotels": MAX_HOTELS,
        },
    )
    connection.execute(_query("services"), {"max_values": MAX_SERVICES})
    connection.execute(_query("values").format(column="origin"), {"max_values": MAX_ORIGINS})
    connection.execute(_query("values").format(column="account_type"), {"max_values": MAX_SEGMENTS})
    connection.execute(_query("currencies"))
    connection.execute(_query("hotels"), {"max_hotels": MAX_HOTELS, "max_cells": max_cells})
    connection.execute(_query("placements"))
    listed = {
        "months": arrow_table(connection, "SELECT month FROM months ORDER BY position"),
        "hotels": arrow_table(
            connection,
            "SELECT label, time_zone, as_of_utc, is_counted, status, held_back_reason, orders::BIGINT AS orders,"
            " orders_without_items, items_without_order, key, as_of_date, weeks_known, is_detailed"
            " FROM hotels WHERE is_listed ORDER BY position",
        ),
        "other hotels": arrow_table(
            connection,
            "SELECT is_counted, count(*) AS hotels, sum(orders)::BIGINT AS orders,"
            " min(as_of_utc) AS oldest_as_of_utc,"
            " sum(orders_without_items)::BIGINT AS orders_without_items,"
            " sum(items_without_order)::BIGINT AS items_without_order, min(weeks_known) AS weeks_known"
            " FROM hotels WHERE NOT is_listed GROUP BY position, is_counted ORDER BY position",
        ),
        "apart": arrow_table(connection, _query("apart"), {"max_named": MAX_NAMED}),
        "services": _labels(connection, "services"),
        "origins": _labels(connection, "origin_values"),
        "segments": _labels(connection, "account_type_values"),
        "totals": arrow_table(connection, _query("totals")),
        "currencies": arrow_table(connection, "SELECT code FROM currencies ORDER BY position"),
    }
    return {name: connection.table(name).to_arrow_table() for name in POSITIONS}, listed


def _counting(metrics: Metrics) -> dict[str, Query[pa.Table]]:
    """Give what counts for the page, by the name of what it is; the counts of a table by that of the table."""
    return {
        **{
            table: functools.partial(_counts, table=table, rates=rates)
            for table, rates in _rates_of_tables(metrics).items()
        },
        **{
            f"spans of {table}": functools.partial(_spans, table=table, rates=rates)
            for table, rates in _rates_of_tables(metrics).items()
        },
        "weeks": functools.partial(_weeks, rate=metrics.rate("cancellations_per_order_created")),
        "curve": functools.partial(_curve, rate=metrics.rate("cancellation_curve")),
        "durations": functools.partial(_durations, measures=_quantiles(metrics)),
        **{
            f"amounts of {table}": functools.partial(_amounts, table=table, date=date_of_table, aggregates=aggregates)
            for (table, date_of_table), aggregates in _amounts_of_tables(metrics).items()
        },
        "ahead": _ahead,
        "outdated": _outdated,
    }


def _put_together(found: Mapping[str, pa.Table], metrics: Metrics) -> ReportData:
    rates_of_tables = _rates_of_tables(metrics)
    flow = metrics.rate("cancellations_per_order_created")
    hotels = found["hotels"].to_pylist()
    return ReportData(
        rates=_rates_but_curve(metrics),
        quantiles=tuple(Quantile(measure, quantile_of(measure)[1]) for measure in _quantiles(metrics)),
        roles={
            "created": flow.denominator,
            "cancellations": flow.numerator,
            "firm": metrics.rate("cancellation_rate_to_date").denominator,
            "resolved": metrics.rate("cancellation_rate_resolved").denominator,
        },
        small_group=SMALL_GROUP,
        normal_quantile=statistics.NormalDist().inv_cdf(0.975),
        months=found["months"]["month"].to_pylist(),
        hotels=[
            Hotel(**row | {"label": label, "held_back_reason": _line(row["held_back_reason"])})
            for label, row in zip(labels_of(row["label"] for row in hotels), hotels, strict=True)
        ],
        other_hotels=[OtherHotels(OTHERS[row["is_counted"]], **row) for row in found["other hotels"].to_pylist()],
        apart=[
            HotelApart(**row | {"label": label_of(row["label"]), "held_back_reason": _line(row["held_back_reason"])})
            for row in found["apart"].to_pylist()
        ],
        services=labels_of(found["services"]["label"].to_pylist()),
        origins=labels_of(ORIGIN_NAMES.get(each, each) for each in found["origins"]["label"].to_pylist()),
        segments=labels_of(found["segments"]["label"].to_pylist()),
        counts={table: _columns(MonthCounts, found[table], rates) for table, rates in rates_of_tables.items()},
        changes=[
            ReportChange(**row | _worded(row["subject"], row["sentence"])) for row in found["changes"].to_pylist()
        ],
        windows=WINDOWS,
        first_weeks=FIRST_WEEKS,
        weeks_earlier={rate.name: weeks_earlier(rate) for rate in _rates_but_curve(metrics)},
        spans={
            table: _columns(SpanCounts, found[f"spans of {table}"], rates) for table, rates in rates_of_tables.items()
        },
        weeks=_columns(WeekCounts, found["weeks"], [flow]),
        has_items=bool(found["currencies"]),
        value_rates=tuple(rate for rate in metrics.rates if rate.per),
        value_measures=tuple(measure for measure in metrics.measures if measure.per),
        currencies=labels_of(found["currencies"]["code"].to_pylist()),
        amounts={
            table: Amounts(
                **found[f"amounts of {table}"].drop_columns(aggregates).to_pydict(),
                values=found[f"amounts of {table}"].select(aggregates).to_pydict(),
            )
            for (table, _), aggregates in _amounts_of_tables(metrics).items()
        },
        ahead=_put_ahead_together(found["ahead"], found["outdated"]),
        curve=Curve(CURVE_DAYS, **found["curve"].to_pydict()),
        durations=Durations(duration_edges(), DURATION_STEPS, **found["durations"].to_pydict()),
        **found["totals"].to_pylist()[0],
    )


def _columns(kind: type[C], rows: pa.Table, rates: Sequence[Rate]) -> C:
    aggregates = aggregates_of(rates)
    return kind(**rows.drop_columns(aggregates).to_pydict(), values=rows.select(aggregates).to_pydict())


def _worded(subject: str, sentence: str) -> dict[str, str]:
    """Write the sentence of a change without the hotel that it begins with."""
    words = for_terminal(sentence.removeprefix(f"{subject}: "))
    return {"subject": label_of(subject), "sentence": words[:1].upper() + words[1:]}


def _put_ahead_together(rows: pa.Table, outdated: pa.Table) -> Ahead:
    names = dict.fromkeys(rows["product"].to_pylist())
    places = {name: place for place, name in enumerate(names)}
    return Ahead(
        first=rows["first"][0].as_py() if len(rows) else None,
        products=labels_of(names),
        product=[places[name] for name in rows["product"].to_pylist()],
        outdated=outdated["hotel"].to_pylist(),
        **rows.drop_columns(["first", "product"]).to_pydict(),
    )


def _amounts_of_tables(metrics: Metrics) -> dict[tuple[str, str], list[str]]:
    """List the sums that rates and measures per currency are made from, by their table and its column of dates."""
    found: dict[tuple[str, str], list[str]] = {}
    for rate in metrics.rates:
        if rate.per:
            found.setdefault((rate.table, rate.date), []).extend(aggregates_of([rate]))
    for measure in metrics.measures:
        if measure.per:
            found.setdefault((measure.table, measure.date), []).extend(measure.expression.split(" + "))
    return {place: list(dict.fromkeys(aggregates)) for place, aggregates in found.items()}


def _rates_but_curve(metrics: Metrics) -> tuple[Rate, ...]:
    curve = metrics.rate("cancellation_curve")
    return tuple(rate for rate in metrics.rates if rate is not curve and rate.per is None)


def _quantiles(metrics: Metrics) -> tuple[Measure, ...]:
    return tuple(measure for measure in metrics.measures if measure.per is None)


def _rates_of_tables(metrics: Metrics) -> dict[str, list[Rate]]:
    rates_of: dict[str, list[Rate]] = {}
    for rate in _rates_but_curve(metrics):
        rates_of.setdefault(rate.table, []).append(rate)
    return rates_of


def _labels(connection: duckdb.DuckDBPyConnection, table: str) -> pa.Table:
    query = "SELECT DISTINCT position, label FROM query_table($table) WHERE label IS NOT NULL ORDER BY position"
    return arrow_table(connection, query, {"table": table})


def _counts(connection: duckdb.DuckDBPyConnection, table: str, rates: Sequence[Rate]) -> pa.Table:
    expressions = ",\n    ".join(f'coalesce({each}, 0)::BIGINT AS "{each}"' for each in aggregates_of(rates))
    query = _query("counts").format(table=table, date=_date_of(table, rates), aggregates=expressions)
    return arrow_table(connection, query)


def _spans(connection: duckdb.DuckDBPyConnection, table: str, rates: Sequence[Rate]) -> pa.Table:
    earlier: dict[str, int] = {}
    for rate in rates:
        for each in (rate.numerator, rate.denominator):
            if earlier.setdefault(each, weeks_earlier(rate)) != weeks_earlier(rate):
                raise ValueError(f"the report takes {each} at one age, not at several")
    taken = {
        each: f'coalesce(sum("{each}") FILTER (ages.weeks_earlier = {weeks}), 0)' for each, weeks in earlier.items()
    }
    query = _query("spans").format(
        table=table,
        date=_date_of(table, rates),
        sums_of_week=",\n        ".join(f'{each} AS "{each}"' for each in earlier),
        sums_of_span=",\n    ".join(f'{sql}::BIGINT AS "{each}"' for each, sql in taken.items()),
        is_any=" + ".join(taken.values()) + " > 0",
    )
    return arrow_table(
        connection, query, {"first_weeks": list(FIRST_WEEKS), "weeks_earlier": sorted(set(earlier.values()))}
    )


def _weeks(connection: duckdb.DuckDBPyConnection, rate: Rate) -> pa.Table:
    aggregates = aggregates_of([rate])
    query = _query("weeks").format(
        table=rate.table,
        date=rate.date,
        aggregates=",\n    ".join(f'coalesce({each}, 0)::BIGINT AS "{each}"' for each in aggregates),
        is_any=" + ".join(aggregates) + " > 0",
    )
    return arrow_table(connection, query, {"weeks": 2 * YEAR_WEEKS})


def _changes(connection: duckdb.DuckDBPyConnection, parquet: Path) -> pa.Table:
    query = _query("changes").format(changes=CHANGES.format(changes=literal(str(parquet))))
    of_all = sys.maxsize  # those of hotels that totals do not count are left out afterwards
    return arrow_table(connection, query, {"most": of_all, "most_of_hotel": MAX_CHANGES, "weeks": CHANGE_WEEKS})


def _date_of(table: str, rates: Sequence[Rate]) -> str:
    dates = {rate.date for rate in rates}
    if len(dates) != 1:
        raise ValueError(f"the report counts {table} by one date, not by {' and '.join(sorted(dates))}")
    return dates.pop()


def _amounts(connection: duckdb.DuckDBPyConnection, table: str, date: str, aggregates: Sequence[str]) -> pa.Table:
    expressions = ",\n    ".join(f'TRY_CAST(10000 * coalesce({each}, 0) AS BIGINT) AS "{each}"' for each in aggregates)
    return arrow_table(connection, _query("amounts").format(table=table, date=date, aggregates=expressions))


def _ahead(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    return arrow_table(connection, _query("ahead"), {"max_products": MAX_PRODUCTS, "days": DAYS_AHEAD})


def _outdated(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    return arrow_table(connection, _query("outdated"))


def _curve(connection: duckdb.DuckDBPyConnection, rate: Rate) -> pa.Table:
    query = _query("curve").format(date=rate.date, numerator=rate.numerator, denominator=rate.denominator)
    return arrow_table(connection, query, {"days": list(CURVE_DAYS)})


def _durations(connection: duckdb.DuckDBPyConnection, measures: Sequence[Measure]) -> pa.Table:
    sources = {(measure.table, measure.date, quantile_of(measure)[0]) for measure in measures}
    if len(sources) != 1:
        raise ValueError(f"the report shows quantiles of one duration, not of {len(sources)}")
    table, column_of_dates, column = sources.pop()
    query = _query("durations").format(table=table, date=column_of_dates, column=column)
    return arrow_table(connection, query, {"edges": list(duration_edges())})


def _query(name: str) -> str:
    return files("pso_pipeline.bi.report").joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")
