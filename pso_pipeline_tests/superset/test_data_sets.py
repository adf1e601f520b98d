"""The data sets' SQL and metrics run on a real snapshot, have the columns that they say, and give the right figures."""

import re
from collections import Counter, defaultdict

import duckdb
import pytest

from pso_pipeline.bi.folder import snapshot_path
from pso_pipeline.bi.rates import load_metrics, wilson_interval
from pso_pipeline.bi.report.data import CURVE_DAYS
from pso_pipeline.bi.superset import interval_sql
from pso_pipeline.contract.enums import ORIGIN_NAMES
from pso_pipeline.contract.marts import AGG_ORDERS_DAILY, FCT_PRODUCT_SERVICE_ORDERS
from pso_pipeline_tests.report.odd_world import HELD_BACK, NEVER_READ, NO_LONGER_READ
from pso_pipeline_tests.superset.bundle import load_bundle, metric_expressions, queries
from pso_pipeline_tests.superset.conftest import write_marts

BUNDLE = load_bundle()
DATA_SETS_BY_NAME = {data_set["table_name"]: data_set for data_set in BUNDLE.data_sets.values()}
SHARES = [rate for rate in load_metrics().rates if rate.is_share]


@pytest.fixture(scope="module")
def connection(snapshot):
    config = BUNDLE.database["extra"]["engine_params"]["connect_args"]["config"]
    with duckdb.connect(str(snapshot), read_only=True, config=config) as connection:
        yield connection


@pytest.fixture(scope="module")
def odd(published_odd):
    with duckdb.connect(str(snapshot_path(published_odd)), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def sandbox(published_sandbox):
    with duckdb.connect(str(snapshot_path(published_sandbox)), read_only=True) as connection:
        yield connection


def rows_sql(name):
    return f"({DATA_SETS_BY_NAME[name]['sql']}\n)"


@pytest.mark.parametrize("name", DATA_SETS_BY_NAME)
def test_a_data_set_has_the_columns_that_it_says(connection, name):
    found = connection.execute(f"DESCRIBE {rows_sql(name)}").fetchall()
    said = [(column["column_name"], column["type"]) for column in DATA_SETS_BY_NAME[name]["columns"]]
    assert sorted(said) == sorted((column, kind) for column, kind, *_ in found)
    dates = {column for column, kind in said if kind in {"DATE", "TIMESTAMP"}}
    assert dates == {each["column_name"] for each in DATA_SETS_BY_NAME[name]["columns"] if each["is_dttm"]}


COUNTED = (
    "JOIN mart.dim_enterprises AS hotel USING (enterprise_id) WHERE hotel.is_in_scope AND hotel.as_of_utc IS NOT NULL"
)


@pytest.mark.parametrize(
    ("name", "table"), [("Orders by day", AGG_ORDERS_DAILY), ("Orders", FCT_PRODUCT_SERVICE_ORDERS)]
)
def test_a_data_set_has_each_row_of_the_hotels_that_are_counted_once(connection, odd, name, table):
    for snapshot in (connection, odd):
        count = f"SELECT count(*), count(hotel), count(service) FROM {rows_sql(name)}"
        (stored,) = snapshot.execute(f"SELECT count(*) FROM {table.qualified_name} {COUNTED}").fetchone()
        (every,) = snapshot.execute(f"SELECT count(*) FROM {table.qualified_name}").fetchone()
        assert snapshot.execute(count).fetchone() == (stored, stored, stored)
        assert 100 < stored < every


@pytest.mark.parametrize(
    ("name", "table"), [("Orders by day", AGG_ORDERS_DAILY), ("Orders", FCT_PRODUCT_SERVICE_ORDERS)]
)
def test_origins_have_the_names_that_people_use(connection, name, table):
    stored = connection.execute(f"SELECT DISTINCT origin FROM {table.qualified_name}").fetchall()
    shown = connection.execute(f"SELECT DISTINCT origin FROM {rows_sql(name)}").fetchall()
    expected = {ORIGIN_NAMES.get(origin, origin or "(not given)") for (origin,) in stored}
    assert {origin for (origin,) in shown} == expected
    assert {"Front desk", "Integration"} <= expected


def test_a_curve_has_every_cohort_at_every_age_that_its_table_has(connection):
    rows = rows_sql("Cancellation by age")
    ages = [age for (age,) in connection.execute(f"SELECT DISTINCT days_since_creation FROM {rows}").fetchall()]
    assert sorted(ages) == list(CURVE_DAYS)
    stored = connection.execute(
        "SELECT service_id, cohort_month, days_since_creation, orders_at_risk, canceled_by_then"
        f" FROM mart.agg_cancellation_curve {COUNTED} AND list_contains($ages, days_since_creation)",
        {"ages": ages},
    ).fetchall()
    found = connection.execute(
        "SELECT service_id, cohort_month, days_since_creation, orders_at_risk, canceled_by_then"
        f" FROM {rows} WHERE orders_at_risk > 0"
    ).fetchall()
    assert Counter(found) == Counter(stored)
    cohorts = connection.execute(f"SELECT count(*), count(DISTINCT (service_id, cohort_month)) FROM {rows}").fetchone()
    assert cohorts == (cohorts[1] * len(ages), cohorts[1])


GROUPS = ("hotel", "cohort", "service", "hotel, cohort")
FILTERS = (
    "true",
    "observed_days >= 90",
    "hotel < 'Hotel 6'",
    "cohort_month >= DATE '2024-01-01'",
    "cohort_month < DATE '2024-01-01' AND days_since_creation IN (1, 3, 7, 14, 30, 60, 90, 180, 365)",
    "service LIKE '%spa%' AND cohort_month BETWEEN DATE '2023-03-01' AND DATE '2024-05-01'",
)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("condition", FILTERS)
def test_a_curve_never_falls_whatever_is_chosen(connection, odd, sandbox, group, condition):
    """And all of its points count the same orders, every one of them."""
    expressions = metric_expressions(DATA_SETS_BY_NAME["Cancellation by age"])
    query = f"""
        SELECT {group}, days_since_creation, {expressions["cancellation_curve"]}, SUM(orders_at_risk), SUM(firm_orders)
        FROM {rows_sql("Cancellation by age")} WHERE {condition} GROUP BY ALL ORDER BY ALL
    """
    points = 0
    for snapshot in (connection, odd, sandbox):
        lines = defaultdict(list)
        for *key, _, share, at_risk, firm in snapshot.execute(query).fetchall():
            if share is not None:
                lines[tuple(key)].append((share, at_risk, firm))
        for line in lines.values():
            shares, *orders = zip(*line, strict=True)
            assert list(shares) == sorted(shares)
            assert len({*orders[0], *orders[1]}) == 1
            points += len(line)
    # beyond single cohorts the youngest order of all decides, which in these worlds is hours old
    assert points > (100 if "cohort" in group or "90" in condition else 0)


def test_the_plain_shares_of_the_same_cohorts_do_fall(odd):
    """So the test before has something to find."""
    shares = defaultdict(list)
    query = f"""
        SELECT cohort_month, days_since_creation, SUM(canceled_by_then) / SUM(orders_at_risk)
        FROM mart.agg_cancellation_curve {COUNTED} GROUP BY ALL ORDER BY ALL
    """
    for month, _, share in odd.execute(query).fetchall():
        shares[month].append(share)
    assert sum(line != sorted(line) for line in shares.values()) > 3


def test_hotels_are_shown_apart_with_their_age_and_the_reason(odd):
    found = {
        hotel: (status, as_of, reason)
        for hotel, status, as_of, reason in odd.execute(
            f"SELECT enterprise_id, hotel_status, as_of, held_back_reason FROM {rows_sql('Hotels')}"
        ).fetchall()
    }
    assert len(found) == 10
    assert found[HELD_BACK][0] == "Held back"
    assert found[HELD_BACK][2].startswith("12 orders (img src=x")
    assert found[NEVER_READ] == ("Not read to its end yet", "not yet", None)
    assert {found[hotel][0] for hotel in NO_LONGER_READ} == {"No longer read"}
    assert {found[hotel][1][:10] for hotel in NO_LONGER_READ} == {"2023-12-14"}
    ((least,),) = odd.execute(f"SELECT min(age_in_days) FROM {rows_sql('Hotels')}").fetchall()
    assert least > 365
    apart = {HELD_BACK, NEVER_READ, *NO_LONGER_READ}
    assert {status for hotel, (status, *_) in found.items() if hotel not in apart} == {"Current"}


@pytest.mark.parametrize("name", DATA_SETS_BY_NAME)
def test_no_text_from_the_api_is_markup_or_longer_than_a_label(odd, name):
    texts = [c["column_name"] for c in DATA_SETS_BY_NAME[name]["columns"] if c["type"] == "VARCHAR"]
    for column in texts:
        for (text,) in odd.execute(f"SELECT DISTINCT {column} FROM {rows_sql(name)}").fetchall():
            assert text is None or len(text) <= 60 or column == "sentence", column
            assert not re.search(
                r"[<>\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text or ""
            ), column


@pytest.mark.parametrize("name", DATA_SETS_BY_NAME)
def test_every_metric_can_be_computed(connection, name):
    for metric, expression in metric_expressions(DATA_SETS_BY_NAME[name]).items():
        of_one = "WHERE currency = 'EUR'" if "MIN(currency)" in expression else ""
        (value,) = connection.execute(f"SELECT {expression} FROM {rows_sql(name)} {of_one}").fetchone()
        if of_one:
            assert connection.execute(f"SELECT {expression} FROM {rows_sql(name)}").fetchone() == (None,), metric
        (nothing,) = connection.execute(f"SELECT {expression} FROM {rows_sql(name)} WHERE false").fetchone()
        # every order of the generated world together is neither all old enough nor all too young, and one hotel has no
        # history to say what is expected
        assert (
            value is not None or metric.endswith("_complete") or metric.startswith(("cancellation_curve", "expected"))
        ), metric
        assert not nothing, metric


@pytest.mark.parametrize("chart", BUNDLE.charts.values(), ids=lambda chart: chart["slice_name"])
def test_a_chart_shows_something(connection, chart):
    data_set = BUNDLE.data_set_of(chart)
    expressions = metric_expressions(data_set)
    for query in queries(chart):
        conditions = ["true"]
        for each in query.conditions:
            if each["operator"] == "IN":
                conditions.append(f"{each['subject']} IN ({', '.join(each['comparator'])})")
            elif each["operator"] == "IS NOT NULL":
                conditions.append(f"{each['subject']} IS NOT NULL")
            elif each["operator"] in {">=", "<="}:
                conditions.append(f"{each['subject']} {each['operator']} {each['comparator']}")
            else:
                assert each["operator"] == "TEMPORAL_RANGE"
        grain = "P1M" in chart["params"].values()
        columns = [f"date_trunc('month', {name})" if grain and i == 0 else name for i, name in enumerate(query.columns)]
        metrics = [f"{expressions[name]} AS {name}" for name in query.metrics]
        found = connection.execute(
            f"SELECT {', '.join([*columns, *metrics])} FROM {rows_sql(data_set['table_name'])}"
            f" WHERE {' AND '.join(conditions)} GROUP BY ALL HAVING {query.having or 'true'}"
        ).fetchall()
        assert any(value is not None for row in found for value in row[len(columns) :])
        assert len(found) > 1 or not columns


@pytest.mark.parametrize("rate", SHARES, ids=lambda rate: rate.name)
def test_intervals_are_those_of_wilson(connection, rate):
    """Also where nothing or everything is counted."""
    counts = [(0, 5), (5, 5), (1, 29), (81, 263), (0, 0)]
    for part, trials in counts:
        sql = interval_sql(rate).replace(rate.numerator, "$part").replace(rate.denominator, "$trials")
        (text,) = connection.execute(f"SELECT {sql}", {"part": part, "trials": trials}).fetchone()
        expected = wilson_interval(part, trials)
        assert text == (expected and "–".join(f"{100 * end:.1f}" for end in expected))


@pytest.mark.parametrize(
    "measure", [each for each in load_metrics().measures if each.format == "hours"], ids=lambda measure: measure.name
)
@pytest.mark.parametrize(
    ("hours", "days", "readable"),
    [(None, None, None), (0.259, 0.259 / 24, 16 / 60), (23.99, 23.99 / 24, 23 + 59 / 60), (455.7, 455.7 / 24, 456)],
)
def test_times_are_given_in_days_and_in_few_words(connection, measure, hours, days, readable):
    """The words are Superset's, made from milliseconds: to the minute below a day, to the hour above."""
    expressions = metric_expressions(DATA_SETS_BY_NAME["Orders"])
    in_days, in_milliseconds = (
        expressions[f"{measure.name}_{suffix}"].replace(measure.expression, "CAST($hours AS DOUBLE)")
        for suffix in ("in_days", "readable")
    )
    found = connection.execute(f"SELECT {in_days}, {in_milliseconds} / 3600000", {"hours": hours}).fetchone()
    assert found == (pytest.approx(days), pytest.approx(readable))


@pytest.mark.parametrize("days", [7, 30, 90])
def test_a_month_is_complete_when_its_youngest_firm_order_is_old_enough(connection, days):
    expressions = metric_expressions(DATA_SETS_BY_NAME["Orders by day"])
    name = f"cancellation_rate_{days}d"
    shown = {
        month: (complete, maturing)
        for month, complete, maturing in connection.execute(
            f"SELECT date_trunc('month', date), {expressions[f'{name}_complete']}, {expressions[f'{name}_maturing']}"
            f" FROM {rows_sql('Orders by day')} WHERE as_of_utc IS NOT NULL GROUP BY ALL"
        ).fetchall()
    }
    midnight = "timezone('UTC', timezone(time_zone, CAST(as_of_date + 1 AS TIMESTAMP)))"
    facts = connection.execute(
        f"""
        SELECT
            date_trunc('month', created_date),
            bool_and(created_at <= {midnight} - INTERVAL {days} DAY),
            bool_or(created_at <= {midnight} - INTERVAL {days} DAY),
            count(*) FILTER (hours_to_cancel <= {days * 24} AND created_at <= {midnight} - INTERVAL {days} DAY)
                / nullif(count(*) FILTER (created_at <= {midnight} - INTERVAL {days} DAY), 0)
        FROM mart.fct_product_service_orders JOIN mart.dim_enterprises USING (enterprise_id)
        WHERE is_firm AND as_of_utc IS NOT NULL GROUP BY ALL
        """
    ).fetchall()
    kinds = set()
    for month, all_old, any_old, rate in facts:
        complete, maturing = shown[month]
        assert complete == (pytest.approx(rate) if all_old else None)
        assert maturing == (pytest.approx(rate) if any_old and not all_old else None)
        kinds.add((all_old, any_old))
    assert len(kinds) > 1


def test_hotels_of_one_name_stay_apart(tmp_path):
    names = {"hotel 1": "Grand Hotel", "hotel 2": "Grand Hotel", "hotel 3": None}
    write_marts(tmp_path / "marts.duckdb", 200, hotel_names=names)
    with duckdb.connect(str(tmp_path / "marts.duckdb"), read_only=True) as connection:
        found = dict(
            connection.execute(f"SELECT DISTINCT enterprise_id, hotel FROM {rows_sql('Orders by day')}").fetchall()
        )
    labels = [found[f"hotel {number}"] for number in (0, 1, 2, 3, 5)]
    assert labels == ["Hotel 0", "hotel-1", "hotel-2", "hotel-3", "Hotel 5"]
