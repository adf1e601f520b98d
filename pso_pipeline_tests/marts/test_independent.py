"""A generated world, derived by the package and computed once more in plain Python: they agree to the unit."""

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from pso_pipeline.contract.marts import (
    AGG_CHANGES,
    AGG_CONSUMPTION_AHEAD,
    AGG_ITEM_REVENUE_DAILY,
    AGG_ORDERS_DAILY,
    AGG_PICKUP,
    MART_TABLES,
    OPS_TABLES,
)
from pso_pipeline.warehouse.marts.derive import derive
from pso_pipeline_tests.marts import reference, reference_items
from pso_pipeline_tests.marts.rows import insert, read
from pso_pipeline_tests.marts.world import World, generate

KEY = AGG_ORDERS_DAILY.key
COUNTS = [name for name in AGG_ORDERS_DAILY.column_names if name not in KEY]


@pytest.fixture(scope="module")
def world() -> World:
    return generate(seed=20240701, orders=4000)


@pytest.fixture
def marts(connection, world):
    for table, rows in world.landed.items():
        insert(connection, table, rows)
    derived = derive(connection, orders_per_batch=500, all_companions_environments=world.all_companions_environments)
    counted = [table.name for table in MART_TABLES if table not in (AGG_CHANGES, AGG_PICKUP, *OPS_TABLES)]
    assert derived.rows == {name: len(read(connection, name)) for name in counted}
    return connection


def test_everything_agrees(marts, world):
    until = reference.as_of(world)
    assert dict(read(marts, "dim_enterprises", ["enterprise_id", "as_of_utc"])) == until

    values = reference_items.order_values(world)
    consumed = {order: each["consumed_at"] for order, each in values.items()}
    expected_facts = {order: fact | values[order] for order, fact in reference.facts(world, consumed).items()}
    columns = list(next(iter(expected_facts.values())))
    facts = {
        row[0]: dict(zip(columns, row[1:], strict=True))
        for row in read(marts, "fct_product_service_orders", ["order_id", *columns])
    }
    assert reference.differences(facts, expected_facts) == {}

    assert Counter(read(marts, "fct_order_state_changes")) == Counter(reference.state_changes(world))

    daily = {
        row[:5]: Counter(dict(zip(COUNTS, row[5:], strict=True)))
        for row in read(marts, "agg_orders_daily", [*KEY, *COUNTS])
    }
    assert all(counts.total() for counts in daily.values())
    assert reference.differences(daily, reference.orders_daily(world, values)) == {}

    curve: Counter[tuple[Any, ...]] = Counter()
    for *cohort, days, at_risk, canceled in read(marts, "agg_cancellation_curve"):
        assert at_risk > 0
        curve[*cohort, days, "orders_at_risk"] += at_risk
        curve[*cohort, days, "canceled_by_then"] += canceled
    assert curve == reference.cancellation_curve(world)

    assert Counter(read(marts, "agg_pickup")) == Counter(reference.pickup(world))


def test_items_agree_to_the_last_digit(marts, world):
    as_of = dict(read(marts, "dim_enterprises", ["enterprise_id", "items_as_of_utc"]))
    assert {hotel: moment for hotel, moment in as_of.items() if moment} == reference_items.items_as_of(world)

    expected_facts = reference_items.item_facts(world)
    columns = list(next(iter(expected_facts.values())))
    facts = {
        row[0]: dict(zip(columns, row[1:], strict=True))
        for row in read(marts, "fct_order_items", ["item_id", *columns])
    }
    assert reference.differences(facts, expected_facts) == {}

    daily = items_by_key(marts)
    assert reference.differences(daily, reference_items.item_revenue_daily(world)) == {}
    assert revenue(daily) == reference_items.revenue(world)

    ahead = {row[:4]: row[4:] for row in read(marts, "agg_consumption_ahead", AGG_CONSUMPTION_AHEAD.column_names)}
    assert ahead == reference_items.consumption_ahead(world)


def items_by_key(marts) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Read mart.agg_item_revenue_daily as the reference gives it."""
    key = len(AGG_ITEM_REVENUE_DAILY.key)
    names = AGG_ITEM_REVENUE_DAILY.column_names
    return {
        row[:key]: dict(zip(names[key:], row[key:], strict=True))
        for row in read(marts, "agg_item_revenue_daily", names)
    }


def revenue(daily: dict[tuple[Any, ...], dict[str, Any]]) -> dict[tuple[str, str, date], Decimal]:
    """Add up the revenue of each hotel, currency and day."""
    found: dict[tuple[str, str, date], Decimal] = {}
    for (hotel, _, _, currency, day), row in daily.items():
        value = row["consumed_gross_value"] + row["rebated_gross_value"] + row["fee_gross_value"]
        found[hotel, currency, day] = found.get((hotel, currency, day), Decimal(0)) + value
    return {key: value for key, value in found.items() if value}


def test_the_items_of_the_world_hold_every_edge(world):
    facts = reference_items.item_facts(world).values()
    assert {row["order_link"] for row in facts} == {"with_order", "with_reservation", "no_known_order"}
    assert {row["currency"] for row in facts} == {"EUR", "GBP", "JPY"}
    for kind in ("sale", "rebate", "cancellation_fee", "other"):
        assert sum(row["item_kind"] == kind for row in facts) > 20, kind
    values = reference_items.order_values(world).values()
    assert {row["has_items"] for row in values} == {True, False, None}
    assert sum(row["has_items"] is True and row["currency"] is None for row in values) > 20
    histories = Counter(row[3] for row in reference_items.consumption_ahead(world).values())
    assert min(histories[whose] for whose in ("service", "hotel", None)) > 2, histories


def test_the_world_holds_every_edge(world):
    facts = reference.facts(world).values()
    for flag in ("is_rebooked", "is_quick_cancel", "canceled_after_check_in", "first_seen_checked_in_at"):
        assert sum(bool(row[flag]) for row in facts) > 20, flag
    pickup = reference.pickup(world)
    for place, least in ((4, 5), (5, 5), (6, 5), (7, 5), (8, 5), (9, 5)):
        assert sum(bool(row[place]) for row in pickup) > least, AGG_PICKUP.column_names[place]
    canceled = [order for order in reference.counted_orders(world) if reference.is_canceled(order)]
    assert sum(order["cancelled_utc"] is None for order in canceled) > 20
    assert (
        sum(
            row["canceled_at"] is None and order["cancelled_utc"] is not None
            for order, row in zip(reference.counted_orders(world), facts, strict=True)
        )
        > 20
    )


def test_a_difference_names_the_column():
    ours = {"a": Counter(orders=2), "b": Counter(orders=1)}
    expected = {"a": Counter(orders=2, quick=1), "b": Counter(orders=1, quick=0)}
    assert reference.differences(ours, expected) == {"quick": "0 in the marts, 1 in the reference, for a"}
    assert list(reference.differences(ours, {"a": Counter(orders=2)})) == ["a whole row"]
