"""The generated world: the same from the same seed, plausible, alive at its own pace, and large in little memory."""

import json
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.contract import STATES, Interval, Limitation, Operation, Query
from pso_pipeline.sandbox.world import GeneratedWorld
from pso_pipeline_tests.fakes.server import serve

NOW = "2026-11-24T12:00:00Z"
ORDERS = "productServiceOrders/getAll"


SINCE = "2024-11-01T00:00:00Z"
DAYS_LIVED = 30


def made(seed=3, orders=6_000, at=NOW, since=SINCE):
    return GeneratedWorld(seed=seed, enterprises=5, orders=orders, since=since, clock=Clock(frozen_at=at))


@pytest.fixture(scope="module")
def orders():
    return made(orders=30_000).snapshot(NOW).orders


def moment(text):
    return datetime.fromisoformat(text)


def test_the_same_seed_makes_the_same_world():
    assert made().snapshot(NOW) == made().snapshot(NOW)
    assert made(seed=4).snapshot(NOW).orders != made().snapshot(NOW).orders


def test_a_world_started_later_goes_on_where_the_earlier_one_was():
    """So that a demo that is started again finds its orders, and whatever happened meanwhile."""
    later = "2026-11-26T09:30:00Z"
    assert made(at=later).snapshot(NOW) == made().snapshot(NOW)
    assert made().snapshot(later) == made(at=later).snapshot(later)


def test_an_order_stays_the_same_whenever_the_world_begins():
    earlier = {order["Id"]: order for order in made().snapshot(NOW).orders}
    world = GeneratedWorld(
        seed=3, enterprises=5, orders=6_000, since="2026-05-10T07:00:00Z", clock=Clock(frozen_at=NOW)
    )
    later = {order["Id"]: order for order in world.snapshot(NOW).orders}
    assert later
    assert later == {id_: order for id_, order in earlier.items() if order["CreatedUtc"] >= "2026-05-10T07:00:00Z"}


def test_time_brings_new_orders_cancellations_and_check_ins():
    world = made()
    then = "2026-11-26T12:00:00Z"
    before = {order["Id"]: order for order in world.snapshot(NOW).orders}
    after = {order["Id"]: order for order in world.snapshot(then).orders}
    assert before.keys() < after.keys()
    changed = [after[each]["State"] for each, order in before.items() if order != after[each]]
    assert {"Started", "Canceled", "Processed"} <= set(changed)
    for each, order in after.items():
        is_touched = before.get(each) != order
        assert (NOW < order["UpdatedUtc"] <= then) == is_touched


@pytest.fixture(scope="module")
def lived():
    """Orders as polls of three hours find them while a clock moves on for 30 days, and how they stood before."""
    world = made(orders=150_000)
    history = world.snapshot(NOW)
    services = frozenset(each["Id"] for each in history.services)
    scope = world.scope(world.client_token, world.access_token)
    seen: dict[str, dict[str, Any]] = {}
    for _ in range(DAYS_LIVED * 8):
        since, now = world.clock.now() + 1, world.clock.now() + 3 * 3600
        world.clock.freeze(now)
        query = Query(Limitation(100_000), {"ServiceIds": services}, {"UpdatedUtc": Interval(since, now)})
        page = world.page(Operation.ORDERS, scope, query, now)
        seen |= {order["Id"]: order for order in json.loads(b"[%s]" % page.items)}
    return history.orders, list(seen.values())


def within(orders, field, first_day, last_day):
    """The orders whose time lies in some days after the moment NOW."""
    first, last = (moment(NOW) + timedelta(days=day) for day in (first_day, last_day))
    return [order for order in orders if order[field] and first < moment(order[field]) <= last]


def hours_to_cancel(orders):
    return sorted(
        (moment(each["CancelledUtc"]) - moment(each["CreatedUtc"])) / timedelta(hours=1)
        for each in orders
        if each["State"] == "Canceled" and each["CancelledUtc"]
    )


def by_hour(orders, field):
    counts = Counter(moment(order[field]).hour for order in orders)
    return [counts[hour] / counts.total() for hour in range(24)]


@pytest.mark.parametrize("field", ["CreatedUtc", "CancelledUtc"])
def test_a_month_lived_has_as_many_orders_and_cancellations_at_the_same_hours_as_history(lived, field):
    past, present = (within(lived[0], field, -DAYS_LIVED, 0), within(lived[1], field, 0, DAYS_LIVED))
    assert len(present) == pytest.approx(len(past), rel=0.12)
    difference = sum(abs(one - other) for one, other in zip(by_hour(past, field), by_hour(present, field), strict=True))
    assert difference / 2 < 0.08


def test_a_month_lived_cancels_after_the_same_time_as_history(lived):
    past, present = (
        hours_to_cancel(within(lived[0], "CancelledUtc", -DAYS_LIVED, 0)),
        hours_to_cancel(within(lived[1], "CancelledUtc", 0, DAYS_LIVED)),
    )
    assert len(present) > 500
    for share in (0.25, 0.5, 0.75, 0.9):
        assert present[int(len(present) * share)] == pytest.approx(past[int(len(past) * share)], rel=0.25)
    quick = [sum(hours <= 1 for hours in each) / len(each) for each in (past, present)]
    assert quick[1] == pytest.approx(quick[0], abs=0.03)


def test_a_month_lived_confirms_checks_in_and_cancels_as_large_a_share_as_history(lived):
    """Orders made in the first half of 30 days, by their state at the end of these."""
    half = DAYS_LIVED // 2
    past, present = (
        Counter(order["State"] for order in found)
        for found in (within(lived[0], "CreatedUtc", -DAYS_LIVED, -half), within(lived[1], "CreatedUtc", 0, half))
    )
    for state in STATES:
        assert present[state] / present.total() == pytest.approx(past[state] / past.total(), abs=0.03), state


def test_the_first_month_of_every_hotel_is_a_whole_one():
    """A month with the orders of one evening would be a broken first point of every trend."""
    snapshot = GeneratedWorld(seed=3, orders=60_000, clock=Clock(frozen_at=NOW)).snapshot(NOW)
    zones = {hotel["Id"]: ZoneInfo(hotel["TimeZoneIdentifier"]) for hotel in snapshot.enterprises}
    hotels = {service["Id"]: service["EnterpriseId"] for service in snapshot.services}
    months = Counter(
        (
            hotels[order["ServiceId"]],
            f"{moment(order['CreatedUtc']).astimezone(zones[hotels[order['ServiceId']]]):%Y-%m}",
        )
        for order in snapshot.orders
    )
    assert min(month for _, month in months) == "2024-11"
    for hotel in zones:
        assert months[hotel, "2024-11"] > 0.8 * months[hotel, "2025-11"]


def test_orders_are_plausible(orders):
    """The shapes of 119,390 room bookings, with the days scaled down by service; see `sandbox.lives`."""
    states = Counter(order["State"] for order in orders)
    firm = sum(states[state] for state in ("Confirmed", "Started", "Processed", "Canceled"))
    assert 0.15 < states["Canceled"] / firm < 0.42
    assert 0 < states["Started"] < states["Processed"]
    assert {"Inquired", "Optional", "Requested"} <= states.keys()
    by_origin = {
        origin: Counter(each["State"] == "Canceled" for each in orders if each["Origin"] == origin)
        for origin in ("ChannelManager", "Distributor")
    }
    shares = {origin: found[True] / found.total() for origin, found in by_origin.items()}
    assert shares["ChannelManager"] > 1.5 * shares["Distributor"]
    days = sorted(
        (moment(each["CancelledUtc"]) - moment(each["CreatedUtc"])) / timedelta(days=1)
        for each in orders
        if each["State"] == "Canceled" and each["CancelledUtc"]
    )
    assert days[0] > 0
    assert 5 < days[len(days) * 9 // 10] / median(days) < 12


def test_every_order_is_consistent(orders):
    world = made(orders=30_000)
    services = {each["Id"]: each for each in world.snapshot(NOW).services}
    assert len({order["Id"] for order in orders}) == len(orders)
    served_and_online = set()
    for order in orders:
        created, updated = moment(order["CreatedUtc"]), moment(order["UpdatedUtc"])
        assert created <= updated <= moment(NOW)
        assert services[order["ServiceId"]]["Data"]["Discriminator"] == "Additional"
        assert moment(services[order["ServiceId"]]["CreatedUtc"]) <= created
        if order["State"] == "Canceled":
            assert created < moment(order["CancelledUtc"]) <= updated
        served_and_online.add((order["State"] in {"Started", "Processed"}, any(order["Options"].values())))
    assert len(served_and_online) == 4, "online check-in is not the service"
    assert max(order["CreatedUtc"] for order in orders) > "2026-11-24T00:00:00Z"


def test_hotels_lie_in_several_time_zones_and_sell_what_hotels_sell():
    snapshot = made().snapshot(NOW)
    assert len({hotel["TimeZoneIdentifier"] for hotel in snapshot.enterprises}) >= 4
    names = {service["Name"] for service in snapshot.services}
    assert {"Breakfast", "Parking", "Spa", "Airport transfer", "Accommodation"} <= names
    assert any(not service["IsActive"] for service in snapshot.services)


@pytest.mark.parametrize("count", [1000, 137])
def test_walking_the_pages_finds_every_order_once(connect, count):
    world = made()
    with serve(world, requests_per_window=None) as sandbox:
        api = connect(sandbox)
        snapshot = world.snapshot(NOW)
        ids = [each["Id"] for each in snapshot.services]
        found = api.walk(ORDERS, count, ServiceIds=ids)
    assert found == snapshot.orders
    moments = [order["UpdatedUtc"] for order in found]
    assert moments == sorted(moments, reverse=True)


def test_the_number_of_services_of_each_hotel_can_be_chosen():
    world = GeneratedWorld(enterprises=20, orders=0, services_of_each=4, clock=Clock(frozen_at=NOW))
    services = world.snapshot(NOW).services
    sold = Counter(each["EnterpriseId"] for each in services if each["Data"]["Discriminator"] == "Additional")
    assert set(sold.values()) == {4}
    assert len(sold) == 20


def test_each_filter_returns_exactly_the_matching_orders(connect):
    world = made()
    with serve(world, requests_per_window=None) as sandbox:
        api = connect(sandbox)
        snapshot = world.snapshot(NOW)
        ids = [each["Id"] for each in snapshot.services]
        start, end = "2026-09-01T00:00:00Z", "2026-10-15T12:00:00Z"
        sample = snapshot.orders[::97]
        reservations = sorted({each["LinkedReservationId"] for each in sample} - {None})
        asked = {
            "UpdatedUtc": ({"StartUtc": start, "EndUtc": end}, lambda order: start <= order["UpdatedUtc"] <= end),
            "States": (["Canceled", "Optional"], lambda order: order["State"] in {"Canceled", "Optional"}),
            "AccountIds": (
                sorted({each["AccountId"] for each in sample}),
                lambda order: order["AccountId"] in {each["AccountId"] for each in sample},
            ),
            "LinkedReservationIds": (reservations, lambda order: order["LinkedReservationId"] in reservations),
            "ProductServiceOrderIds": (
                sorted(each["Id"] for each in sample),
                lambda order: order["Id"] in {each["Id"] for each in sample},
            ),
        }
        for name, (value, fits) in asked.items():
            expected = [order for order in snapshot.orders if fits(order)]
            assert expected
            assert api.walk(ORDERS, 500, ServiceIds=ids, **{name: value}) == expected, name


def test_an_enterprise_token_reaches_its_hotel_alone(connect):
    world = made()
    with serve(world, requests_per_window=None) as sandbox:
        portfolio, own = connect(sandbox), connect(sandbox, world.enterprise_token(2))
        (hotel,) = own.walk("enterprises/getAll")
        services = own.walk("services/getAll")
        assert {service["EnterpriseId"] for service in services} == {hotel["Id"]}
        other = next(each for each in portfolio.walk("services/getAll") if each["EnterpriseId"] != hotel["Id"])
        assert own.post(ORDERS, ServiceIds=[other["Id"]]).status_code == 400
        assert own.walk(ORDERS, ServiceIds=[each["Id"] for each in services]) != []


MILLION = """
import re
from pathlib import Path
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.world import GeneratedWorld
world = GeneratedWorld(orders=1_000_000, clock=Clock(frozen_at="2026-11-24T12:00:00Z"))
# not ru_maxrss, which begins with the peak of the process that started this one
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(world.count_orders(), int(peak) // 1024)
"""


def test_a_million_orders_need_little_memory():
    """As dicts, a million orders would take some gigabytes."""
    done = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True)
    orders, megabytes = map(int, done.stdout.split())
    assert orders > 950_000
    assert megabytes < 400
