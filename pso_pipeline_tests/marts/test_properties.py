"""What must hold after any sequence of landings and derivations; `PSO_TEST_EXAMPLES` says how many are tried."""

import itertools
import os
from datetime import datetime, timedelta
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pso_pipeline.warehouse.marts.derive import derive
from pso_pipeline_tests.marts.rows import forget_everything, forget_marts, insert, read_all

START = datetime(2024, 6, 1)  # noqa: DTZ001  landed times are naive UTC
HOTELS = ("north", "south")
SERVICES = {"north spa": "north", "north bar": "north", "south spa": "south"}
ZONES = ("Europe/London", "Australia/Sydney", "UTC", None, "Nowhere/Land")
STATES = ("Optional", "Confirmed", "Started", "Canceled", "Odd")

# ages that lie on, just before and just after the boundaries of maturity and of the curve
seconds = st.sampled_from([-1, 0, 1, 1800, 3600, 7200])
ages = st.builds(
    lambda days, rest: timedelta(days=days, seconds=rest),
    st.sampled_from([-1, 0, 1, 2, 6, 7, 29, 30, 89, 90, 200, 364, 365, 366, 500]),
    seconds,
)
services = st.sampled_from(sorted(SERVICES))
hotels = st.sampled_from(HOTELS)

orders = st.fixed_dictionaries(
    {
        "service_id": services,
        "state": st.sampled_from(STATES),
        "account_id": st.sampled_from(["ada", "bob", None]),
        "booker_id": st.sampled_from(["booker", "another booker", None, None]),
        "linked_reservation_id": st.sampled_from(["reservation", "another reservation", None, None]),
        "origin": st.sampled_from(["Connector", None]),
        "age": ages,
        "canceled_after": st.none() | ages,
    }
)
landings = st.one_of(
    st.tuples(st.just("order"), orders),
    st.tuples(st.just("change"), st.integers(0, 9), st.sampled_from(STATES), st.none() | ages),
    st.tuples(st.just("meet older"), st.integers(0, 9), st.sampled_from(STATES), st.integers(-50, 50)),
    st.tuples(st.just("hand over"), st.integers(0, 9), st.sampled_from(["ada", "bob", None])),
    st.tuples(st.just("lose"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("watermark"), services, ages),
    st.tuples(st.just("watermark"), st.just("south spa"), ages),
    st.tuples(st.just("read again from the start"), services),
    st.tuples(st.just("zone"), hotels, st.sampled_from(ZONES)),
    st.tuples(st.just("rename"), hotels, st.text("abc", min_size=1, max_size=3)),
    st.tuples(st.just("new service"), hotels),
    st.tuples(st.just("forget hotel"), hotels),
)
derivations = st.sampled_from(["none", "none", "every hotel", "north", "south"])


class Landing:
    """Lands what a step says, in the way in which a refresh does.

    A changed order raises its service's revision, and is noted with it unless it was marked missing.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        forget_everything(connection)
        self.orders = 0
        insert(
            connection, "enterprises", [{"id": h, "name": h, "time_zone_identifier": "Europe/London"} for h in HOTELS]
        )
        for service, hotel in SERVICES.items():
            self._add_service(service, hotel)

    def take(self, step: tuple[Any, ...]) -> None:
        kind, *arguments = step
        getattr(self, kind.replace(" ", "_"))(*arguments)

    def order(self, given: dict[str, Any]) -> None:
        self.orders += 1
        created = START - given["age"]
        canceled = None if given["canceled_after"] is None else created + given["canceled_after"]
        order = {name: given[name] for name in given if name not in {"age", "canceled_after"}}
        order |= {"id": f"order {self.orders}", "enterprise_id": SERVICES[given["service_id"]], "created_utc": created}
        order |= {
            "cancelled_utc": canceled,
            "updated_utc": created,
            "fetched_utc": START,
            "is_missing_from_source": False,
        }
        insert(self.connection, "product_service_orders", [order])
        self._revise(given["service_id"], order["id"])

    def change(self, number: int, state: str, canceled_after: timedelta | None) -> None:
        found = self._pick(number)
        if found:
            self.connection.execute(
                "INSERT INTO mews.superseded_product_service_orders BY NAME"
                " SELECT *, fetched_utc AS observed_utc FROM mews.product_service_orders WHERE id = ?",
                [found[0]],
            )
            self.connection.execute(
                "UPDATE mews.product_service_orders SET state = ?, cancelled_utc = created_utc + ?::INTERVAL,"
                " updated_utc = updated_utc + INTERVAL 1 HOUR, fetched_utc = fetched_utc + INTERVAL 1 HOUR"
                " WHERE id = ?",
                [state, canceled_after, found[0]],
            )
            self._revise(found[1], found[0])

    def meet_older(self, number: int, state: str, minutes: int) -> None:
        """A version that comes late, between those that are known or before them."""
        found = self._pick(number)
        if found:
            self.connection.execute(
                "INSERT INTO mews.superseded_product_service_orders BY NAME"
                " SELECT * REPLACE (? AS state, created_utc + to_minutes(?) AS updated_utc),"
                " fetched_utc AS observed_utc FROM mews.product_service_orders WHERE id = ?",
                [state, minutes, found[0]],
            )
            self._revise(found[1], found[0])

    def hand_over(self, number: int, account: str | None) -> None:
        """Another account, so that the order no longer makes a cancellation of the one before a rebooking."""
        found = self._pick(number)
        if found:
            self.connection.execute(
                "UPDATE mews.product_service_orders SET account_id = ? WHERE id = ?", [account, found[0]]
            )
            self._revise(found[1], found[0])

    def lose(self, number: int, is_missing: bool) -> None:
        found = self._pick(number)
        if found:
            self.connection.execute(
                "UPDATE mews.product_service_orders SET is_missing_from_source = ? WHERE id = ?", [is_missing, found[0]]
            )
            self._revise(found[1])

    def watermark(self, service: str, age: timedelta) -> None:
        """Forward and back: a new service or a restored warehouse can lower the earliest watermark."""
        self._set(service, START + age)

    def read_again_from_the_start(self, service: str) -> None:
        self._set(service, None)

    def zone(self, hotel: str, zone: str | None) -> None:
        self.connection.execute("UPDATE mews.enterprises SET time_zone_identifier = ? WHERE id = ?", [zone, hotel])

    def rename(self, hotel: str, name: str) -> None:
        self.connection.execute("UPDATE mews.enterprises SET name = ? WHERE id = ?", [name, hotel])
        self.connection.execute("UPDATE mews.services SET name = ? WHERE enterprise_id = ?", [name, hotel])

    def new_service(self, hotel: str) -> None:
        self._add_service(f"{hotel} service {self.orders}", hotel)

    def forget_hotel(self, hotel: str) -> None:
        self.connection.execute("DELETE FROM mews.enterprises WHERE id = ?", [hotel])
        self.connection.execute("DELETE FROM mews.sync_state WHERE enterprise_id = ?", [hotel])

    def knows(self, hotel: str) -> bool:
        known = "SELECT id FROM mews.enterprises UNION SELECT enterprise_id FROM mews.sync_state"
        return (hotel,) in self.connection.execute(known).fetchall()

    def _add_service(self, service: str, hotel: str) -> None:
        insert(self.connection, "services", [{"id": service, "enterprise_id": hotel, "name": service}])
        progress = {"service_id": service, "enterprise_id": hotel, "watermark_utc": START, "revision": 0}
        insert(self.connection, "sync_state", [progress])

    def _pick(self, number: int) -> tuple[str, str] | None:
        rows = self.connection.execute("SELECT id, service_id FROM mews.product_service_orders ORDER BY id").fetchall()
        return rows[number % len(rows)] if rows else None

    def _revise(self, service: str, order: str | None = None) -> None:
        self.connection.execute("UPDATE mews.sync_state SET revision = revision + 1 WHERE scope_id = ?", [service])
        if order:
            self.connection.execute(
                "INSERT INTO mews.changed_records SELECT endpoint, scope_id, ?, revision FROM mews.sync_state"
                " WHERE scope_id = ? AND watermark_utc IS NOT NULL",
                [order, service],
            )

    def _set(self, service: str, watermark: datetime | None) -> None:
        self.connection.execute("UPDATE mews.sync_state SET watermark_utc = ? WHERE scope_id = ?", [watermark, service])


EXAMPLES = int(os.environ.get("PSO_TEST_EXAMPLES", "25"))

many_examples = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@many_examples
@given(
    landed=st.lists(orders, min_size=3, max_size=8),
    sequence=st.lists(st.tuples(landings, derivations), min_size=1, max_size=12),
)
def test_incremental_equals_from_scratch(connection, landed, sequence):
    landing = Landing(connection)
    for order in landed:
        landing.order(order)
    derive(connection)
    for step, whose in sequence:
        landing.take(step)
        if whose == "every hotel" or landing.knows(whose):
            derive(connection, None if whose == "every hotel" else [whose])
    derive(connection)
    incremental = read_all(connection)

    derive(connection)
    assert read_all(connection) == incremental, "deriving again changed something"

    forget_marts(connection)
    derive(connection)
    assert read_all(connection) == incremental


close = st.integers(0, 12).map(lambda quarters: timedelta(minutes=20 * quarters))
crowded = st.fixed_dictionaries(
    {
        "service_id": st.just("north spa"),
        "state": st.sampled_from(["Canceled", "Canceled", "Confirmed", "Odd"]),
        "account_id": st.just("ada"),
        "booker_id": st.sampled_from([None, None, "booker", "another booker"]),
        "linked_reservation_id": st.none(),
        "origin": st.none(),
        "age": close,
        "canceled_after": close,
    }
)


@many_examples
@given(
    landed=st.lists(crowded, min_size=4, max_size=10),
    changes=st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["Canceled", "Confirmed"]), close), max_size=4),
)
def test_rebookings_of_one_account_are_the_same_from_scratch(connection, landed, changes):
    """An order that changes can move the matches of all others around it."""
    landing = Landing(connection)
    for order in landed[:-2]:
        landing.order(order)
    derive(connection)
    for order, change in itertools.zip_longest(landed[-2:], changes):
        if order:
            landing.order(order)
        if change:
            landing.change(*change)
        derive(connection)
    incremental = read_all(connection)
    forget_marts(connection)
    derive(connection)
    assert read_all(connection) == incremental


@many_examples
@given(landed=st.lists(orders, max_size=30), orders_per_batch=st.integers(1, 30))
def test_counts_add_up_to_the_facts(connection, landed, orders_per_batch):
    landing = Landing(connection)
    for order in landed:
        landing.order(order)
    derive(connection, orders_per_batch=orders_per_batch)

    facts = connection.execute("""
        SELECT count(*), count(*) FILTER (is_firm), count(*) FILTER (is_checked_in), count(*) FILTER (is_canceled),
            count(*) FILTER (is_quick_cancel), count(*) FILTER (is_rebooked), count(canceled_date)
        FROM mart.fct_product_service_orders
    """).fetchone()
    counts = connection.execute("""
        SELECT coalesce(sum(orders_created), 0), coalesce(sum(firm_orders), 0), coalesce(sum(checked_in_orders), 0),
            coalesce(sum(canceled_orders), 0), coalesce(sum(quick_cancels), 0), coalesce(sum(rebooked_cancels), 0),
            coalesce(sum(cancellations), 0)
        FROM mart.agg_orders_daily
    """).fetchone()
    assert facts is not None
    assert facts == counts
    assert facts[0] == len(landed)

    keys = connection.execute("""
        SELECT count(*), count(DISTINCT (enterprise_id, service_id, origin, account_type, date))
        FROM mart.agg_orders_daily
    """).fetchone()
    assert keys is not None
    assert keys[0] == keys[1]


@many_examples
@given(landed=st.lists(orders, max_size=30))
def test_the_curve_of_any_selection_never_falls_as_far_as_all_its_orders_are_in_it(connection, landed):
    landing = Landing(connection)
    for order in landed:
        landing.order(order)
    derive(connection)
    for selection in (
        "TRUE",
        "service_id = 'north spa'",
        "enterprise_id = 'north'",
        "cohort_month < DATE '2024-04-01'",
    ):
        found = connection.execute(
            f"""
            WITH ages AS (
                SELECT days_since_creation AS age, sum(orders_at_risk) AS orders, sum(canceled_by_then) AS canceled
                FROM mart.agg_cancellation_curve WHERE {selection} GROUP BY age
            )
            SELECT age, canceled / orders FROM ages WHERE orders = (SELECT max(orders) FROM ages) ORDER BY age
            """
        ).fetchall()
        assert [age for age, _ in found] == list(range(len(found)))
        shares = [share for _, share in found]
        assert shares == sorted(shares)


@many_examples
@given(landed=st.lists(orders, max_size=30))
def test_the_curve_meets_the_maturity_counts(connection, landed):
    """At 7, 30 and 90 days the curve and the headline counts are the same, summed over the months."""
    landing = Landing(connection)
    for order in landed:
        landing.order(order)
    derive(connection)
    for days in (7, 30, 90):
        curve = connection.execute(
            "SELECT coalesce(sum(orders_at_risk), 0), coalesce(sum(canceled_by_then), 0)"
            " FROM mart.agg_cancellation_curve WHERE days_since_creation = ?",
            [days],
        ).fetchone()
        headline = connection.execute(
            f"SELECT coalesce(sum(mature_firm_orders_{days}d), 0), coalesce(sum(canceled_within_{days}d), 0)"
            " FROM mart.agg_orders_daily"
        ).fetchone()
        assert curve == headline
