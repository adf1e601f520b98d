"""The counts in the page equal the snapshot's, cell by cell, and its rates are those of metrics.yml."""

import bisect
import itertools
import math
import shutil
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from pso_pipeline.bi.errors import SnapshotUnreadable
from pso_pipeline.bi.folder import snapshot_path
from pso_pipeline.bi.rates import load_metrics, wilson_interval
from pso_pipeline.bi.report import data as limits
from pso_pipeline.bi.report.data import (
    CURVE_DAYS,
    DURATION_STEPS,
    PRECISION,
    aggregates_of,
    duration_edges,
    quantile_of,
    read_report_data,
)
from pso_pipeline.contract.enums import ORIGIN_NAMES
from pso_pipeline_tests.report import embedded

METRICS = load_metrics()
CURVE = METRICS.rate("cancellation_curve")
HOURS = [measure for measure in METRICS.measures if measure.format == "hours"]

NAMED = """
    SELECT
        {table}.*,
        coalesce(hotel.enterprise_name, hotel.partition_key) AS hotel,
        coalesce(service.service_name, 'Unnamed service') AS service,
        coalesce(origin, 'Not given') AS source,
        coalesce(account_type, 'Not given') AS segment,
        strftime({date}, '%Y-%m-01') AS month
    FROM mart.{table}
    JOIN mart.dim_enterprises AS hotel USING (enterprise_id)
    JOIN mart.dim_services AS service ON service.service_id = {table}.service_id
"""


@pytest.fixture(scope="module")
def found(report):
    return embedded.data(report)


def test_the_rates_are_those_of_metrics_yml(found):
    assert found["rates"] == msgspec.to_builtins([rate for rate in METRICS.rates if rate is not CURVE and not rate.per])
    assert [each["measure"] for each in found["quantiles"]] == msgspec.to_builtins(list(HOURS))
    assert found["value_rates"] == msgspec.to_builtins([rate for rate in METRICS.rates if rate.per])
    assert found["value_measures"] == msgspec.to_builtins([each for each in METRICS.measures if each.per])
    assert {rate["table"] for rate in found["rates"]} == set(found["counts"])
    assert found["small_group"] == 30


@pytest.mark.parametrize("table", ["agg_orders_daily", "fct_product_service_orders"])
def test_every_count_is_the_snapshots(found, snapshot, table):
    rates = [rate for rate in METRICS.rates if rate.table == table and not rate.per]
    aggregates = aggregates_of(rates)
    counts = found["counts"][table]
    assert list(counts["values"]) == aggregates
    cells: Counter[tuple[Any, ...]] = Counter()
    for row in range(len(counts["month"])):
        key = (
            found["hotels"][counts["hotel"][row]]["label"],
            found["services"][counts["service"][row]],
            found["origins"][counts["origin"][row]],
            found["segments"][counts["segment"][row]],
            found["months"][counts["month"][row]],
        )
        for aggregate in aggregates:
            cells[*key, aggregate] += counts["values"][aggregate][row]
    named = NAMED.format(table=table, date=rates[0].date)
    query = f"SELECT hotel, service, source, segment, month, {', '.join(aggregates)} FROM ({named}) GROUP BY ALL"
    expected: Counter[tuple[Any, ...]] = Counter()
    for row in snapshot.execute(query).fetchall():
        if row[4] in found["months"]:
            key = (*row[:2], ORIGIN_NAMES.get(row[2], row[2]), *row[3:5])
            expected.update({(*key, name): int(number) for name, number in zip(aggregates, row[5:], strict=True)})
    assert expected.total() > 400
    assert cells == expected


@pytest.mark.parametrize(
    ("table", "date"), [("agg_item_revenue_daily", "date"), ("fct_product_service_orders", "created_date")]
)
def test_every_amount_is_the_snapshots_to_the_last_digit(found, snapshot, table, date):
    amounts = found["amounts"][table]
    assert {rate.numerator for rate in METRICS.rates if rate.per and rate.table == table} <= set(amounts["values"])
    cells: Counter[tuple[Any, ...]] = Counter()
    for row in range(len(amounts["month"])):
        key = (
            found["hotels"][amounts["hotel"][row]]["label"],
            found["services"][amounts["service"][row]],
            found["currencies"][amounts["currency"][row]],
            found["months"][amounts["month"][row]],
        )
        for aggregate, values in amounts["values"].items():
            cells[*key, aggregate] += values[row]
    names = list(amounts["values"])
    named = f"""
        SELECT {table}.*, hotel.enterprise_name AS hotel, service.service_name AS service,
            strftime({date}, '%Y-%m-01') AS month
        FROM mart.{table} JOIN mart.dim_enterprises AS hotel USING (enterprise_id)
        JOIN mart.dim_services AS service ON service.service_id = {table}.service_id
    """
    query = f"SELECT hotel, service, currency, month, {', '.join(names)} FROM ({named}) GROUP BY ALL"
    expected: Counter[tuple[Any, ...]] = Counter()
    for row in snapshot.execute(query).fetchall():
        if row[3] in found["months"] and row[2]:
            expected.update({(*row[:4], name): int(10000 * (v or 0)) for name, v in zip(names, row[4:], strict=True)})
    assert len(found["currencies"]) == 3
    assert {key: value for key, value in cells.items() if value} == {key: v for key, v in expected.items() if v}


def test_what_is_ahead_is_the_snapshots(found, snapshot):
    ahead = found["ahead"]
    cells: Counter[tuple[Any, ...]] = Counter()
    first = datetime.fromisoformat(ahead["first"])
    for row, hotel in enumerate(ahead["hotel"]):
        day = (first + timedelta(days=ahead["day"][row])).date()
        names = (found["hotels"][hotel]["label"], found["services"][ahead["service"][row]])
        cells[*names, ahead["products"][ahead["product"][row]], day] += ahead["booked"][row]
    expected = snapshot.execute("""
        SELECT enterprise_name, service_name, coalesce(product_name, 'Without a product'), date, booked_quantity
        FROM mart.agg_consumption_ahead AS ahead
        JOIN mart.dim_enterprises USING (enterprise_id)
        JOIN mart.dim_services ON dim_services.service_id = ahead.service_id
        LEFT JOIN mart.dim_products ON dim_products.product_id = ahead.product_id
        WHERE days_ahead <= 7
    """).fetchall()
    assert len(expected) > 50
    assert cells == {tuple(row[:4]): row[4] for row in expected}
    assert ahead["outdated"] == []


def test_the_curve_is_the_snapshots(found, snapshot):
    curve = found["curve"]
    cells = {}
    for row in range(len(curve["month"])):
        for place, canceled in enumerate(curve["canceled"][row]):
            key = (
                found["hotels"][curve["hotel"][row]]["label"],
                found["services"][curve["service"][row]],
                found["months"][curve["month"][row]],
                curve["days"][place],
            )
            assert key not in cells
            cells[key] = (curve["at_risk"][row], canceled)
    query = f"""
        SELECT hotel.enterprise_name, service.service_name, strftime({CURVE.date}, '%Y-%m-01'), days_since_creation,
            {CURVE.denominator}::BIGINT, {CURVE.numerator}::BIGINT
        FROM mart.{CURVE.table} AS curve
        JOIN mart.dim_enterprises AS hotel USING (enterprise_id)
        JOIN mart.dim_services AS service ON service.service_id = curve.service_id
        WHERE list_contains($days, days_since_creation)
        GROUP BY hotel.enterprise_name, service.service_name, {CURVE.date}, days_since_creation
        QUALIFY {CURVE.denominator} = max({CURVE.denominator}) OVER (
            PARTITION BY hotel.enterprise_name, service.service_name, {CURVE.date}
        )
    """
    rows = snapshot.execute(query, {"days": list(CURVE_DAYS)}).fetchall()
    assert len(rows) > 1000
    assert cells == {row[:4]: row[4:] for row in rows if row[2] in found["months"]}


def test_every_cancellation_is_in_its_bin(found, snapshot):
    durations = found["durations"]
    edges = durations["edges"]
    assert edges == list(duration_edges())
    assert set(DURATION_STEPS) <= set(edges)
    assert all(upper / lower <= 1 + PRECISION + 1e-9 for lower, upper in itertools.pairwise(edges))
    cells: Counter[tuple[Any, ...]] = Counter()
    for hotel, month, bin_, orders in zip(
        durations["hotel"], durations["month"], durations["bin"], durations["orders"], strict=True
    ):
        cells[found["hotels"][hotel]["label"], found["months"][month], bin_] += orders
    expected: Counter[tuple[Any, ...]] = Counter()
    named = NAMED.format(table="fct_product_service_orders", date="canceled_date")
    query = f"SELECT hotel, month, hours_to_cancel FROM ({named}) WHERE hours_to_cancel IS NOT NULL"
    for hotel, month, hours in snapshot.execute(query).fetchall():
        if month in found["months"]:
            last = len(edges) - 1
            expected[hotel, month, next((place for place, edge in enumerate(edges) if hours <= edge), last)] += 1
    assert expected.total() > 400
    assert cells == expected


def test_durations_on_either_side_of_an_edge_are_in_their_bins(published, tmp_path):
    edges = duration_edges()
    version = shutil.copytree(snapshot_path(published).parent, tmp_path / "version", copy_function=shutil.copyfile)
    path = version / "pso_bi.duckdb"
    hours = [-1.0, 0.0, 1e-9, 1e9, *edges, *(math.nextafter(edge, way) for edge in edges for way in (0, math.inf))]
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE mart.fct_product_service_orders SET canceled_date = created_date")
        connection.execute(
            "UPDATE mart.fct_product_service_orders AS facts SET hours_to_cancel = numbered.hours"
            " FROM (SELECT order_id, $hours[row_number() OVER (ORDER BY order_id)] AS hours"
            " FROM mart.fct_product_service_orders) AS numbered WHERE numbered.order_id = facts.order_id",
            {"hours": hours},
        )
    durations = read_report_data(path).durations
    found: Counter[int] = Counter()
    for bin_, orders in zip(durations.bin, durations.orders, strict=True):
        found[bin_] += orders
    assert found == Counter(min(bisect.bisect_left(edges, value), len(edges) - 1) for value in hours)


def test_hotels_and_totals(found, snapshot):
    hotels = snapshot.execute("SELECT enterprise_name, as_of_utc FROM mart.dim_enterprises").fetchall()
    assert {(hotel["label"], hotel["as_of_utc"]) for hotel in found["hotels"]} == {
        (name, as_of and as_of.isoformat()) for name, as_of in hotels
    }
    assert found["other_hotels"] == []
    counted, others = snapshot.execute(
        "SELECT count(*) FILTER (as_of_utc IS NOT NULL), count(*) FILTER (as_of_utc IS NULL)"
        " FROM mart.fct_product_service_orders LEFT JOIN mart.dim_enterprises USING (enterprise_id)"
    ).fetchone()
    assert (found["orders"], found["orders_shown"], found["orders_not_counted"]) == (counted, counted, others)
    for is_counted, orders in ((True, counted), (False, others)):
        assert sum(hotel["orders"] for hotel in found["hotels"] if hotel["is_counted"] is is_counted) == orders > 0


def test_the_normal_quantile_gives_the_intervals_of_the_other_tools(found):
    z, (successes, trials) = found["normal_quantile"], (7, 29)
    share = successes / trials
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    low, high = wilson_interval(successes, trials) or (0, 0)
    assert (high - low) / 2 == pytest.approx(half)


def test_beyond_the_limits_everything_is_still_counted(published, found, monkeypatch):
    for name, limit in {
        "MAX_HOTELS": 3,
        "MAX_SERVICES": 2,
        "MAX_ORIGINS": 1,
        "MAX_SEGMENTS": 1,
    }.items():
        monkeypatch.setattr(limits, name, limit)
    short = read_report_data(snapshot_path(published))
    assert (len(short.hotels), len(short.services), len(short.origins), len(short.segments)) == (3, 2, 1, 1)
    assert [(others.hotels, others.is_counted) for others in short.other_hotels] == [
        (len(found["hotels"]) - 4, True),
        (1, False),
    ]
    assert [hotel.orders for hotel in short.hotels] == [hotel["orders"] for hotel in found["hotels"][:3]]
    for table, counts in short.counts.items():
        assert set(counts.hotel) == {0, 1, 2, 3, 4}
        assert (set(counts.service), set(counts.origin), set(counts.segment)) == ({0, 1, 2}, {0, 1}, {0, 1})
        for aggregate, values in counts.values.items():
            assert sum(values) == sum(found["counts"][table]["values"][aggregate]), aggregate
    assert sum(short.durations.orders) == sum(found["durations"]["orders"])
    assert sum(short.curve.at_risk) == sum(found["curve"]["at_risk"])


def test_the_detail_of_hotels_follows_from_their_counts(published, found, monkeypatch):
    monkeypatch.setattr(limits, "MAX_CELLS", 1500)
    short = read_report_data(snapshot_path(published))
    assert len(short.hotels) == len(found["hotels"])
    detailed = {place for place, hotel in enumerate(short.hotels) if hotel.is_detailed}
    assert 0 < len(detailed) < len(short.hotels)
    for table, counts in short.counts.items():
        places = list(zip(counts.hotel, counts.origin, strict=True))
        assert {origin for hotel, origin in places if hotel not in {*detailed, -1}} == {-1}
        every = found["counts"][table]
        for aggregate, values in counts.values.items():
            one_by_one = [value for (hotel, _), value in zip(places, values, strict=True) if hotel != -1]
            assert sum(one_by_one) == sum(every["values"][aggregate]), aggregate
            for origin in range(len(short.origins)):
                divided = [
                    value
                    for (hotel, each), value in zip(places, values, strict=True)
                    if each == origin and (hotel == -1 or short.hotels[hotel].is_counted)
                ]
                expected = [
                    value
                    for hotel, each, value in zip(
                        every["hotel"], every["origin"], every["values"][aggregate], strict=True
                    )
                    if each == origin and found["hotels"][hotel]["is_counted"]
                ]
                assert sum(divided) == sum(expected), (aggregate, origin)


def test_many_services_leave_fewer_months_and_hotels(published, monkeypatch):
    monkeypatch.setattr(limits, "MAX_CELLS", 1)
    short = read_report_data(snapshot_path(published))
    assert (len(short.hotels), len(short.months)) == (1, limits.MIN_MONTHS)


SPANS = """
    SELECT coalesce({aggregate}, 0)::BIGINT
    FROM mart.agg_orders_daily JOIN mart.dim_enterprises USING (enterprise_id)
    WHERE as_of_utc IS NOT NULL AND as_of_date - date BETWEEN {first} AND {last}
"""


@pytest.mark.parametrize("weeks", limits.WINDOWS)
def test_windows_are_the_snapshots_at_equal_age(found, snapshot, weeks):
    spans, first_weeks = found["spans"]["agg_orders_daily"], found["first_weeks"]
    for rate in METRICS.rates:
        if rate.table != "agg_orders_daily" or rate.per:
            continue
        earlier = found["weeks_earlier"][rate.name]
        assert rate.maturity_days is None or 7 * earlier >= rate.maturity_days
        for start in (0, weeks, 52):
            for aggregate in (rate.numerator, rate.denominator):
                query = SPANS.format(
                    aggregate=aggregate, first=7 * (start + earlier), last=7 * (start + weeks + earlier) - 1
                )
                shown = sum(
                    value
                    for hotel, span, value in zip(
                        spans["hotel"], spans["span"], spans["values"][aggregate], strict=True
                    )
                    if start <= first_weeks[span] < start + weeks and found["hotels"][hotel]["is_counted"]
                )
                assert shown == snapshot.execute(query).fetchone()[0], (rate.name, start)


def test_weeks_are_the_snapshots(found, snapshot):
    weeks = found["weeks"]
    cells: Counter[tuple[Any, ...]] = Counter()
    for place, (hotel, week) in enumerate(zip(weeks["hotel"], weeks["week"], strict=True)):
        for aggregate, values in weeks["values"].items():
            cells[found["hotels"][hotel]["label"], week, aggregate] += values[place]
    expected: Counter[tuple[Any, ...]] = Counter()
    query = """
        SELECT enterprise_name, (as_of_date - date) // 7 AS week, sum(orders_created)::INT, sum(cancellations)::INT
        FROM mart.agg_orders_daily JOIN mart.dim_enterprises USING (enterprise_id)
        WHERE as_of_date - date BETWEEN 0 AND 727 GROUP BY ALL
    """
    for hotel, week, *numbers in snapshot.execute(query).fetchall():
        for aggregate, number in zip(("SUM(orders_created)", "SUM(cancellations)"), numbers, strict=True):
            expected[hotel, week, aggregate] += number
    assert expected.total() > 1000
    assert cells == expected


def test_older_months_are_left_out_and_told(published, found, monkeypatch):
    monkeypatch.setattr(limits, "MAX_MONTHS", 4)
    short = read_report_data(snapshot_path(published))
    assert [month.isoformat() for month in short.months] == found["months"][-4:]
    assert 0 < short.orders_shown < short.orders == found["orders"]


def test_only_sums_and_counts_are_added_up():
    rate = METRICS.rate("check_in_rate")
    with pytest.raises(ValueError, match="cannot add up COUNT"):
        aggregates_of([msgspec.structs.replace(rate, numerator="COUNT(DISTINCT service_id)")])
    with pytest.raises(ValueError, match="cannot add up AVG"):
        aggregates_of([msgspec.structs.replace(rate, denominator="AVG(firm_orders)")])


def test_only_quantiles_are_read_from_bins():
    measure = METRICS.measures[0]
    assert [quantile_of(each) for each in HOURS] == [("hours_to_cancel", 0.5), ("hours_to_cancel", 0.9)]
    with pytest.raises(ValueError, match="no quantile"):
        quantile_of(msgspec.structs.replace(measure, expression="AVG(hours_to_cancel)"))


def test_what_is_no_snapshot_is_named(tmp_path):
    other = tmp_path / "other.duckdb"
    duckdb.connect(str(other)).close()
    for path in (other, Path(__file__)):
        with pytest.raises(SnapshotUnreadable, match=str(path)):
            read_report_data(path)
