"""What a full resync may call missing: orders that were there before it began, and that it did not meet."""

from datetime import timedelta

import pandas as pd

from pso_pipeline.warehouse.landing.orders import land_orders
from pso_pipeline.warehouse.landing.reconciling import reconcile
from pso_pipeline_tests.warehouse.test_landing import START, landing, order


def missing(connection):
    return connection.execute(
        "SELECT id FROM mews.product_service_orders WHERE is_missing_from_source ORDER BY id"
    ).fetchall()


def met(*identifiers):
    bare = landing()
    return type(bare)(
        bare.orders, bare.rejects, pd.DataFrame({"service_id": ["s1"] * len(identifiers), "id": list(identifiers)})
    )


def test_what_another_refresh_lands_during_the_resync_is_not_missing(warehouse):
    began = START + timedelta(seconds=100)
    with warehouse.open() as connection:
        land_orders(connection, landing(order("met", fetched=1), order("gone", fetched=2)))
        land_orders(connection, met("met"))
        land_orders(connection, landing(order("new meanwhile", fetched=101), order("changed", updated=9, fetched=102)))
        outcome = reconcile(connection, {"s1": "e1"}, began, 0.5)
        assert (outcome["e1"].present, outcome["e1"].missing) == (2, 1)
        assert missing(connection) == [("gone",)]


def test_a_hotel_whose_share_is_implausible_does_not_hold_another_up(warehouse):
    with warehouse.open() as connection:
        land_orders(connection, landing(order("a"), order("b"), order("c", service="s2", enterprise_id="e2")))
        land_orders(connection, landing(order("d", service="s2", enterprise_id="e2")))
        land_orders(connection, met("a"))
        outcome = reconcile(connection, {"s1": "e1", "s2": "e2"}, START + timedelta(days=1), 0.5)
        assert {each: found.is_refused for each, found in outcome.items()} == {"e1": False, "e2": True}
        assert missing(connection) == [("b",)]
        assert connection.execute("SELECT count(*) FROM mews.full_read_ids").fetchone() == (0,)
