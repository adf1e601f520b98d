"""The definitions of rates: complete, valid, and true to the tables that they are made from."""

import duckdb
import msgspec
import pytest

from pso_pipeline.bi.rates import (
    SMALL_GROUP,
    Measure,
    Metrics,
    Rate,
    is_small_group,
    load_metrics,
    measure_sql,
    rate_sql,
    wilson_interval,
)
from pso_pipeline.contract.marts import MART_TABLES
from pso_pipeline.warehouse.marts.derive import derive
from pso_pipeline_tests.marts.rows import insert
from pso_pipeline_tests.marts.world import generate

METRICS = load_metrics()


def value(connection: duckdb.DuckDBPyConnection, name: str) -> float:
    rate = METRICS.rate(name)
    row = connection.execute(f"SELECT {rate_sql(rate)} FROM mart.{rate.table}").fetchone()
    assert row is not None
    return float(row[0])


@pytest.fixture
def marts(connection):
    for table, rows in generate(seed=7, orders=600).landed.items():
        insert(connection, table, rows)
    derive(connection)
    return connection


def test_every_rate_of_the_design_is_defined():
    assert {rate.name for rate in METRICS.rates} >= {
        "cancellation_rate_7d",
        "cancellation_rate_30d",
        "cancellation_rate_90d",
        "net_cancellation_rate_30d",
        "cancellation_rate_to_date",
        "cancellation_rate_resolved",
        "cancellations_per_order_created",
        "check_in_rate",
        "check_in_rate_resolved",
        "online_check_in_rate",
        "unresolved_share",
        "owner_check_in_share",
        "any_companion_share",
        "all_companions_share",
        "connector_check_in_share",
        "voucher_share",
        "linked_share",
    }


def test_names_are_unique_and_tables_and_dates_exist():
    named: list[Rate | Measure] = [*METRICS.rates, *METRICS.measures]
    assert len({each.name for each in named}) == len(named)
    columns = {table.name: {column.name: column.type for column in table.columns} for table in MART_TABLES}
    for each in named:
        assert columns[each.table][each.date] == "DATE", each.name
        assert each.sentence.endswith("."), each.name


@pytest.mark.parametrize("rate", METRICS.rates, ids=lambda rate: rate.name)
def test_each_rate_can_be_computed(marts, rate):
    expression = f"SELECT {rate.numerator}, {rate.denominator}, {rate_sql(rate)} FROM mart.{rate.table}"
    of_one = f"{expression} WHERE {rate.per} = 'EUR'" if rate.per else expression
    numerator, denominator, quotient = marts.execute(of_one).fetchone()
    assert quotient == pytest.approx(float(numerator) / float(denominator))
    assert 0 < quotient < 1 or not rate.is_share
    assert marts.execute(f"{expression} WHERE {rate.date} < DATE '1900-01-01'").fetchone()[2] is None
    if rate.per:
        assert marts.execute(expression).fetchone()[2] is None, "currencies were added up"


def test_revenue_is_of_one_currency(marts):
    (measure,) = (each for each in METRICS.measures if each.per)
    query = f"SELECT {measure_sql(measure)} FROM mart.{measure.table}"
    assert marts.execute(query).fetchone() == (None,)
    assert marts.execute(f"{query} WHERE currency = 'JPY'").fetchone()[0] > 0


@pytest.mark.parametrize(
    "measure", [each for each in METRICS.measures if each.format == "hours"], ids=lambda measure: measure.name
)
def test_each_measure_can_be_computed(marts, measure):
    found = marts.execute(f"SELECT {measure.expression} FROM mart.{measure.table}").fetchone()
    hours = [row[0] for row in marts.execute("SELECT hours_to_cancel FROM mart.rpt_orders ORDER BY 1").fetchall()]
    hours = [each for each in hours if each is not None]
    assert hours[0] <= found[0] <= hours[-1]


def test_net_cancellations_leave_out_quick_and_rebooked_ones(marts):
    net, gross = value(marts, "net_cancellation_rate_30d"), value(marts, "cancellation_rate_30d")
    assert 0 < net < gross


def test_time_to_cancel_agrees_with_the_flags(marts):
    quick, dated = marts.execute(
        "SELECT count(*) FILTER (is_quick_cancel), count(canceled_at) FROM mart.fct_product_service_orders"
    ).fetchone()
    assert value(marts, "canceled_within_1h_share") == pytest.approx(quick / dated)


def test_an_unknown_field_is_refused():
    text = b"rates: [{name: a, colour: red}]\nmeasures: []\n"
    with pytest.raises(msgspec.ValidationError):
        msgspec.yaml.decode(text, type=Metrics)


def test_wilson_interval():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson_interval(20, 20) == pytest.approx((0.8389, 1), abs=5e-5)
    assert wilson_interval(0, 0) is None


def test_small_groups():
    assert is_small_group(SMALL_GROUP - 1)
    assert not is_small_group(SMALL_GROUP)
