"""What was known then: played for six weeks, it is the figures that were taken on each day."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from pso_pipeline.bi.documentation.pages import metrics_page
from pso_pipeline.warehouse.marts.derive import derive
from pso_pipeline_tests.marts.rows import insert, read
from pso_pipeline_tests.marts.test_sequences import Source

ZONES = {"north": "America/New_York", "south": "Australia/Sydney", "west": "Europe/London", "late": "Asia/Tokyo"}
PLAYED = 44
"""Days: the 35 complete ones, the week before them, and some."""

LATE = 20
"""Day of the play on which the hotel `late` is read for the first time."""

STATES = ("Optional", "Confirmed", "Confirmed", "Confirmed", "Started", "Canceled", "Canceled", None)

Figures = dict[tuple[str, date], tuple[int, int]]
"""Orders and those of them canceled, by service and day of creation."""

METRICS = """
    SELECT enterprise_id, service_id, date, sum(orders_created), sum(canceled_orders)
    FROM mart.agg_orders_daily
    GROUP BY enterprise_id, service_id, date
"""


def taken_each_day(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, date], Figures]:
    """Play the days; return the last figures that were taken on each local day of each hotel.

    Each of these days has a refresh, and some have a second one, around a midnight. Figures are counted of the orders
    that have landed by then, and on some days they are the metrics, too.
    """
    chance, source, copies = random.Random(35), Source(connection), {}
    source.begin([_new(chance, sorted(source.hotel_of)) for _ in range(30)])
    source.hotels_of_items.clear()
    for hotel in ("north", "south", "west"):
        source.take(("zone", hotel, ZONES[hotel]))
    start = source.now.replace(hour=0, minute=0, second=0)
    for day in range(1, PLAYED + 1):
        times = [timedelta(hours=6, seconds=chance.randrange(7 * 3600))]
        if day % 11 == 0:
            times.append(timedelta(hours=14, minutes=chance.choice([10, 59, 61])))
        for time in times:
            source.now = start + timedelta(days=day) + time
            if day == LATE:
                _open_late_hotel(source)
            for _ in range(chance.choice([1, 1, 2])):
                source.take(("page", [_edit(chance, sorted(source.hotel_of)) for _ in range(12)]))
            now = taken(connection)
            if day % 11 == 0:
                derive(connection)
                assert now == figures(connection.execute(METRICS).fetchall())
            for hotel in source.hotel_of.values():
                copies[hotel, source.now.astimezone(ZoneInfo(ZONES[hotel])).date()] = now.get(hotel, {})
    return copies


def _new(chance: random.Random, services: Sequence[str]) -> dict[str, Any]:
    return {
        "service_id": chance.choice(services),
        "state": chance.choice(STATES),
        "account_id": None,
        "origin": chance.choice(["Connector", None]),
        "age": timedelta(seconds=chance.choice([0, 60, chance.randrange(3 * 86400)])),
        "canceled_after": None,
    }


def _edit(chance: random.Random, services: Sequence[str]) -> tuple[Any, ...]:
    if chance.random() < 0.4:
        return "new", _new(chance, services)
    return "state", chance.randrange(10_000), chance.choice(STATES), timedelta(hours=1)


def _open_late_hotel(source: Source) -> None:
    """A hotel is read for the first time, with orders of the days before; another has a service that is new."""
    hotel = {"id": "late", "name": "late", "is_in_scope": True, "time_zone_identifier": ZONES["late"]}
    insert(source.connection, "enterprises", [hotel])
    source.hotel_of["late spa"] = "late"
    source.take(("list", "west"))


def taken(connection: duckdb.DuckDBPyConnection) -> dict[str, Figures]:
    """Count the orders that have landed, in the state that they are in now."""
    orders, canceled = Counter[tuple[str, str, date]](), Counter[tuple[str, str, date]]()
    for hotel, service, created, state in connection.execute(
        "SELECT enterprise_id, service_id, created_utc, state FROM mews.product_service_orders"
    ).fetchall():
        key = (hotel, service, created.replace(tzinfo=UTC).astimezone(ZoneInfo(ZONES[hotel])).date())
        orders[key] += 1
        canceled[key] += state == "Canceled"
    return figures((*key, count, canceled[key]) for key, count in orders.items())


def figures(rows: Iterable[tuple[Any, ...]]) -> dict[str, Figures]:
    """The figures of each hotel in rows of hotel, service, day of creation and the two counts."""
    found: dict[str, Figures] = {}
    for hotel, service, created, orders, canceled in rows:
        if orders:
            found.setdefault(hotel, {})[service, created] = (orders, canceled)
    return found


def documented_query(day: date) -> str:
    """The query in the page of metrics, for another day."""
    (query,) = re.findall(r"```sql\n(WITH known AS .*?)```", metrics_page(), re.DOTALL)
    return re.sub(r"DATE '[\d-]+'", f"DATE '{day}'", query)


def test_each_of_35_days_equals_the_figures_taken_then(connection):
    copies = taken_each_day(connection)
    derive(connection)
    last_days = dict(read(connection, "dim_enterprises", ["enterprise_id", "as_of_date"]))
    assert last_days.keys() == ZONES.keys()
    now = taken(connection)
    pickup = defaultdict(list)
    for hotel, service, day, *row in read(connection, "agg_pickup"):
        pickup[hotel, day].append((hotel, service, *row))
    by_query = {
        day: figures(connection.execute(documented_query(day)).fetchall())
        for day in {last_day - timedelta(days=ago) for last_day in last_days.values() for ago in range(35)}
    }

    different = 0
    for hotel, last_day in last_days.items():
        days = [last_day - timedelta(days=ago) for ago in range(35)]
        for day in days:
            copy, week_before = copies.get((hotel, day), {}), copies.get((hotel, day - timedelta(days=7)))
            known = figures(row[:5] for row in pickup[hotel, day]).get(hotel, {})
            assert known == {key: counts for key, counts in copy.items() if key[1] in days}, (hotel, day)
            assert by_query[day].get(hotel, {}) == copy, (hotel, day)
            different += any(now[hotel][key] != counts for key, counts in known.items())

            earlier = figures((*row[:3], *row[5:7]) for row in pickup[hotel, day]).get(hotel, {})
            assert earlier == {
                (service, created + timedelta(days=7)): counts
                for (service, created), counts in (week_before or {}).items()
                if created + timedelta(days=7) in days
            }, (hotel, day)
            assert {row[5] is None for row in pickup[hotel, day]} <= {week_before is None}, (hotel, day)
            assert {row[7:] for row in pickup[hotel, day]} <= {(None, None)}, "a year ago nothing was known"
    assert different > 100
    assert min(day for hotel, day in copies if hotel == "late") > last_days["late"] - timedelta(days=34)
