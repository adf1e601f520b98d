"""Random questions about the metrics, and how each is asked of the snapshot, of Superset's data sets, of MetricFlow.

A slice is some metrics of one table, filtered and grouped by what a hotel group filters and groups by. Rows of every
answer have the same shape: a tuple of the values that they are grouped by, then the value of each metric.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb

from pso_pipeline.bi.rates import Measure, Rate, complete_sql, load_metrics, measure_sql, rate_sql
from pso_pipeline.contract.enums import ORIGIN_NAMES
from pso_pipeline_tests.superset.bundle import load_bundle, metric_expressions

DATA_SETS = {
    "agg_orders_daily": "Orders by day",
    "fct_product_service_orders": "Orders",
    "agg_item_revenue_daily": "Value by day",
    "agg_cancellation_curve": "Cancellation by age",
}
BUNDLED = {data_set["table_name"]: data_set for data_set in load_bundle().data_sets.values()}
MODELS = {
    "agg_orders_daily": "orders_by_day",
    "fct_product_service_orders": "order",
    "agg_item_revenue_daily": "value_by_day",
    "agg_cancellation_curve": "cancellation_by_age",
}
"""What MetricFlow puts before the name of a dimension of each table."""

COLUMNS = {
    "agg_orders_daily": ("enterprise_id", "service_id", "origin", "account_type"),
    "fct_product_service_orders": ("enterprise_id", "service_id", "origin", "account_type", "currency"),
    "agg_item_revenue_daily": ("enterprise_id", "service_id", "currency"),
    "agg_cancellation_curve": ("enterprise_id", "service_id"),
}
ENTITIES = {"enterprise_id": "hotel", "service_id": "service"}
GRAINS = ("day", "week", "month", "quarter", "year")
AGES = (0, 7, 30, 90, 365)
"""Ages that Superset's data set has too."""

_WEIGHTS = (8, 4, 4, 1)
_FIRST_DAY = date(2021, 7, 1)
_NOT_GIVEN = "(not given)"


@dataclass(frozen=True)
class Slice:
    """Some metrics of one table by the column of dates `by`; `values` are the filters, by column."""

    table: str
    by: str
    metrics: tuple[str, ...]
    groups: tuple[str, ...]
    grain: str | None
    values: Mapping[str, tuple[str | None, ...]]
    period: tuple[date, date] | None

    @property
    def has_age(self) -> bool:
        return self.table == "agg_cancellation_curve"


def random_slices(seed: int, count: int, known: Mapping[str, Mapping[str, Sequence[str | None]]]) -> list[Slice]:
    """Make that many slices; `known` has the values of each column of each table."""
    chance = random.Random(seed)
    return [_random_slice(chance, known) for _ in range(count)]


def _random_slice(chance: random.Random, known: Mapping[str, Mapping[str, Sequence[str | None]]]) -> Slice:
    table = chance.choices(list(COLUMNS), _WEIGHTS)[0]
    definitions = {name: day for name, (where, day, _) in definitions_of_metrics().items() if where == table}
    day = chance.choice(sorted(set(definitions.values())))
    names = sorted(name for name, by in definitions.items() if by == day)
    columns = COLUMNS[table]
    values = {
        column: tuple(chance.sample(list(known[table][column]), chance.randint(1, min(3, len(known[table][column])))))
        for column in chance.sample(columns, chance.choice([0, 0, 1, 1, 2]))
    }
    begin = _FIRST_DAY + timedelta(days=chance.randrange(1000))
    return Slice(
        table=table,
        by=day,
        metrics=tuple(chance.sample(names, min(len(names), chance.randint(1, 4)))),
        groups=tuple(chance.sample(columns, chance.choice([0, 1, 1, 2]))),
        grain=chance.choice([None, "month", "year"] if day == "cohort_month" else [None, *GRAINS]),
        values=values,
        period=chance.choice([None, (begin, begin + timedelta(days=chance.choice([6, 27, 89, 364, 1000])))]),
    )


def definitions_of_metrics() -> dict[str, tuple[str, str, str]]:
    """Give the table, the date and our own SQL of each metric, with those that wait until all orders are old enough."""
    metrics = load_metrics()
    every: list[Rate | Measure] = [*metrics.rates, *metrics.measures]
    made = {
        each.name: (each.table, each.date, rate_sql(each) if isinstance(each, Rate) else measure_sql(each))
        for each in every
    }
    waiting = {
        f"{rate.name}_complete": (rate.table, rate.date, complete_sql(rate))
        for rate in metrics.rates
        if rate.maturity_days is not None
    }
    return made | waiting


def ask_snapshot(connection: duckdb.DuckDBPyConnection, each: Slice) -> list[tuple[object, ...]]:
    """Ask the tables of the snapshot, of the hotels that totals count."""
    expressions = definitions_of_metrics()
    source = (
        f"(SELECT rows.* FROM mart.{each.table} AS rows JOIN mart.dim_enterprises AS hotel USING (enterprise_id)"
        " WHERE hotel.is_in_scope AND hotel.as_of_utc IS NOT NULL)"
    )
    if not each.has_age:
        return _ask(connection, source, each, [expressions[name][2] for name in each.metrics])
    keys = "enterprise_id, service_id, cohort_month"
    firm = (
        "(SELECT enterprise_id, service_id, CAST(date_trunc('month', created_date) AS DATE) AS cohort_month,"
        " count(*) AS firm FROM mart.fct_product_service_orders WHERE is_firm GROUP BY ALL)"
    )
    ages = f"(SELECT unnest({list(AGES)}) AS days_since_creation)"
    every = (
        f"(SELECT cohort.*, age.days_since_creation, reached.orders_at_risk, reached.canceled_by_then"
        f" FROM {firm} AS cohort CROSS JOIN {ages} AS age"
        f" LEFT JOIN mart.agg_cancellation_curve AS reached USING ({keys}, days_since_creation)"
        " JOIN mart.dim_enterprises AS hotel USING (enterprise_id) WHERE is_in_scope AND as_of_utc IS NOT NULL)"
    )
    guarded = f"CASE WHEN SUM(orders_at_risk) = SUM(firm) THEN {expressions['cancellation_curve'][2]} END"
    return _ask(connection, every, each, [guarded])


def ask_data_set(connection: duckdb.DuckDBPyConnection, each: Slice) -> list[tuple[object, ...]]:
    """Ask a data set of the Superset bundle, by its own metrics and names of origins."""
    data_set = BUNDLED[DATA_SETS[each.table]]
    expressions = metric_expressions(data_set)
    return _ask(connection, f"({data_set['sql']}\n)", each, [expressions[name] for name in each.metrics], is_named=True)


def _ask(
    connection: duckdb.DuckDBPyConnection, source: str, each: Slice, metrics: list[str], *, is_named: bool = False
) -> list[tuple[object, ...]]:
    grouped = [*each.groups, *([f"date_trunc('{each.grain}', {each.by})"] if each.grain else [])]
    conditions = ["true"]
    parameters: list[object] = []
    if each.has_age:
        grouped.append("days_since_creation")
        conditions.append(f"days_since_creation IN {AGES}")
    for column, values in each.values.items():
        shown = [named(column, value) if is_named else value for value in values]
        conditions.append(f"({' OR '.join(f'{column} IS NOT DISTINCT FROM ?' for _ in shown)})")
        parameters += shown
    if each.period:
        conditions.append(f"{each.by} BETWEEN ? AND ?")
        parameters += each.period
    sql = (
        f"SELECT {', '.join([*grouped, *metrics])} FROM {source} AS source WHERE {' AND '.join(conditions)}"
        f" {'GROUP BY ' + ', '.join(map(str, range(1, len(grouped) + 1))) if grouped else ''}"
    )
    return connection.execute(sql, parameters).fetchall()


def named(column: str, value: object) -> object:
    """Give the name under which Superset shows a value."""
    if column == "origin":
        return ORIGIN_NAMES.get(str(value), value or _NOT_GIVEN)
    return value or _NOT_GIVEN if column == "account_type" else value


def question(each: Slice) -> dict[str, list[str]]:
    """Write a slice as MetricFlow is asked."""
    where = []
    for column, values in each.values.items():
        name = _dimension(each, column)
        tests = [f"{name} IS NULL" if value is None else f"{name} = '{value}'" for value in values]
        where.append(f"({' OR '.join(tests)})")
    if each.period:
        day = f"{{{{ TimeDimension('metric_time', '{'month' if each.has_age else 'day'}') }}}}"
        where += [f"{day} >= '{each.period[0]}'", f"{day} <= '{each.period[1]}'"]
    if each.has_age:
        where.append(f"{{{{ Dimension('{MODELS[each.table]}__days_since_creation') }}}} IN {AGES}")
    return {"metrics": list(each.metrics), "group_by": list(columns_of_answer(each)), "where": where}


def columns_of_answer(each: Slice) -> tuple[str, ...]:
    """Name the columns by which MetricFlow groups a slice, in its order."""
    names = [ENTITIES.get(column) or f"{MODELS[each.table]}__{column}" for column in each.groups]
    names += [f"metric_time__{each.grain}"] if each.grain else []
    return (*names, *([f"{MODELS[each.table]}__days_since_creation"] if each.has_age else []))


def _dimension(each: Slice, column: str) -> str:
    if column in ENTITIES:
        return f"{{{{ Entity('{ENTITIES[column]}') }}}}"
    return f"{{{{ Dimension('{MODELS[each.table]}__{column}') }}}}"


def rows_of_answer(each: Slice, rows: list[dict[str, object]]) -> list[tuple[object, ...]]:
    """Bring an answer of MetricFlow into the order of the others."""
    names = (*columns_of_answer(each), *each.metrics)
    return [tuple(row[name] for name in names) for row in rows]


def comparable(
    each: Slice, rows: list[tuple[object, ...]], *, is_named: bool
) -> dict[tuple[object, ...], list[object]]:
    """Give the metrics of each group, under the names that Superset shows and with days as texts."""
    width = len(columns_of_answer(each))
    keyed = {}
    for row in rows:
        key = [value if is_named else named(column, value) for column, value in zip(each.groups, row, strict=False)]
        rest = [_text(value) for value in row[len(each.groups) : width]]
        keyed[*key, *rest] = list(row[width:])
    assert len(keyed) == len(rows)
    return keyed


def _text(value: object) -> str:
    return str(value)[:10] if not isinstance(value, datetime) else value.date().isoformat()
