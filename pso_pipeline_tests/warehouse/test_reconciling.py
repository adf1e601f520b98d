"""What a full resync may call missing: orders that were there before it began, and that it did not see."""

from datetime import timedelta

import pytest

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS
from pso_pipeline.warehouse.landing.reconciling import reconcile
from pso_pipeline.warehouse.landing.records import land_records
from pso_pipeline_tests.warehouse.test_landing import START, landing, order


def missing(connection):
    return connection.execute(
        "SELECT id FROM mews.product_service_orders WHERE is_missing_from_source ORDER BY id"
    ).fetchall()


def seen(*identifiers):
    return landing(seen=[{"scope_id": "s1", "id": each} for each in identifiers])


BEGAN = START + timedelta(seconds=100)


def read_fully(connection, services, *found, share=0.2, times=2, began=BEGAN):
    """Reconcile after so many full reads in a row that found these; return what the last one came to."""
    for _ in range(times):
        land_records(connection, seen(*found))
        outcome = reconcile(connection, PRODUCT_SERVICE_ORDERS, services, began, share)
    return outcome


def test_what_another_refresh_lands_during_the_resync_is_not_missing(warehouse):
    with warehouse.open() as connection:
        land_records(connection, landing(order("seen", fetched=1), order("gone", fetched=2)))
        land_records(connection, landing(order("new meanwhile", fetched=101), order("changed", updated=9, fetched=102)))
        outcome = read_fully(connection, {"s1": "e1"}, "seen")
        assert (outcome["e1"].present, outcome["e1"].missing) == (2, 1)
        assert missing(connection) == [("gone",)]


def test_one_full_read_marks_nothing(warehouse):
    with warehouse.open() as connection:
        land_records(connection, landing(*[order(name) for name in "abcd"]))
        outcome = read_fully(connection, {"s1": "e1"}, "a", "b", "c", times=1)
        assert (outcome["e1"].missing, outcome["e1"].marked) == (1, 0)
        assert missing(connection) == []
        read_fully(connection, {"s1": "e1"}, "a", "b", "d", times=1)
        assert missing(connection) == [], "another one than before"
        read_fully(connection, {"s1": "e1"}, "a", "b", "d", times=1)
        assert missing(connection) == [("c",)]


@pytest.mark.parametrize(
    ("present", "found", "marked"),
    [(4, 3, 1), (8, 5, 3), (8, 4, 0), (3, 0, 0), (1, 0, 0), (100, 80, 20), (100, 79, 0)],
    ids=["1 of 4", "3 of 8", "4 of 8", "all of 3", "the only one", "a fifth", "more than a fifth"],
)
def test_how_many_may_vanish_from_a_hotel(warehouse, present, found, marked):
    names = [f"o{number:03}" for number in range(present)]
    with warehouse.open() as connection:
        land_records(connection, landing(*map(order, names)))
        outcome = read_fully(connection, {"s1": "e1"}, *names[:found])["e1"]
        assert (outcome.missing, outcome.marked, outcome.is_refused) == (present - found, marked, not marked)
        assert len(missing(connection)) == marked
        assert len(read_fully(connection, {"s1": "e1"}, *names[:found], share=1)) == 1
        assert len(missing(connection)) == present - found, "a share of 1 allows any"


def test_a_few_of_each_of_many_small_hotels_are_too_many_in_all(warehouse):
    services = {f"s{number}": f"e{number}" for number in range(10)}
    with warehouse.open() as connection:
        for service, hotel in services.items():
            own = [order(f"{service}-{name}", service=service, enterprise_id=hotel) for name in "abcd"]
            land_records(connection, landing(*own))
        found = [f"{service}-{name}" for service in services for name in "abc"]
        outcome = read_fully(connection, services, *found)
        assert all(each.is_refused for each in outcome.values())
        assert missing(connection) == []
        outcome = read_fully(connection, services, *found, *[f"s{number}-d" for number in range(9)], times=1)
        assert [hotel for hotel, each in outcome.items() if each.marked] == ["e9"]
        assert missing(connection) == [("s9-d",)]


def test_a_hotel_whose_share_is_implausible_does_not_hold_another_up(warehouse):
    with warehouse.open() as connection:
        land_records(connection, landing(order("a"), order("b"), order("c", service="s2", enterprise_id="e2")))
        land_records(connection, landing(order("d", service="s2", enterprise_id="e2")))
        outcome = read_fully(connection, {"s1": "e1", "s2": "e2"}, "a", began=START + timedelta(days=1))
        assert {each: found.is_refused for each, found in outcome.items()} == {"e1": False, "e2": True}
        assert missing(connection) == [("b",)]
        assert connection.execute("SELECT count(*) FROM mews.full_read_ids").fetchone() == (0,)


def test_an_order_that_moved_to_another_service_is_not_missing_in_the_old_one(warehouse):
    with warehouse.open() as connection:
        land_records(connection, landing(*[order(name) for name in "abcd"]))
        read_fully(connection, {"s1": "e1"}, "a", "b", "c", times=1)
        land_records(connection, landing(order("d", updated=5, fetched=9, service="s2", enterprise_id="e2")))
        outcome = read_fully(connection, {"s1": "e1"}, "a", "b", "c")
        assert outcome["e1"].missing == 0
        assert missing(connection) == []
