"""Marts that grew through any sequence of landings are those that are computed from what has landed, row by row.

Everything lands as a refresh lands it. PSO_TEST_SEQUENCES says how many sequences, and lets each run have others.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from pso_pipeline.contract.endpoints import ORDER_ITEMS, PRODUCT_SERVICE_ORDERS, SERVICES, Endpoint
from pso_pipeline.contract.marts import AGG_ORDERS_DAILY, MART_TABLES
from pso_pipeline.contract.warehouse import REJECTED_RECORDS
from pso_pipeline.ingestion.batches import SEEN
from pso_pipeline.warehouse.landing.progress import Completed, Failed, FullReadProgress, Progress
from pso_pipeline.warehouse.landing.reconciling import reconcile
from pso_pipeline.warehouse.landing.records import Landing, land_records
from pso_pipeline.warehouse.landing.scope import land_services
from pso_pipeline.warehouse.marts import derive as derive_module
from pso_pipeline.warehouse.marts.derive import create_marts, derive
from pso_pipeline.warehouse.schema import create_tables, use_schemas
from pso_pipeline_tests.marts import reference, reference_items
from pso_pipeline_tests.marts.rows import LANDED, forget_everything, insert, read, read_all
from pso_pipeline_tests.marts.test_independent import items_by_key
from pso_pipeline_tests.marts.world import World
from pso_pipeline_tests.warehouse.frames import frame_of

SEQUENCES = int(os.environ.get("PSO_TEST_SEQUENCES", "10"))

of_sequences = settings(
    max_examples=SEQUENCES,
    deadline=None,
    database=None,
    derandomize="PSO_TEST_SEQUENCES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
START = datetime(2024, 6, 1, tzinfo=UTC)
HOTELS = ("north", "south", "west")
SERVICES_OF = {"north spa": "north", "north bar": "north", "south spa": "south", "west spa": "west"}
ZONES = ("Europe/London", "Australia/Sydney", "UTC", None, "Nowhere/Land")
MOMENTS = ("created_utc", "updated_utc", "cancelled_utc", "consumed_utc", "canceled_utc")
KEY = AGG_ORDERS_DAILY.key
COUNTS = [name for name in AGG_ORDERS_DAILY.column_names if name not in KEY]

# ages on, just before and just after the boundaries of maturity and of the curve
ages = st.builds(
    lambda days, seconds: timedelta(days=days, seconds=seconds),
    st.sampled_from([0, 1, 6, 7, 29, 30, 59, 60, 89, 90, 200, 364, 365, 366, 500]),
    st.sampled_from([-1, 0, 1, 1800, 3600]),
)
services = st.sampled_from([*sorted(SERVICES_OF), "unlisted"])
states = st.sampled_from(["Optional", "Confirmed", "Started", "Processed", "Canceled", "Canceled", "Odd", None])
new_orders = st.fixed_dictionaries(
    {
        "service_id": services,
        "state": states,
        "account_id": st.sampled_from(["ada", "bob", None]),
        "origin": st.sampled_from(["Connector", None]),
        "age": ages,
        "canceled_after": st.none() | ages,
    }
)
picks = st.integers(0, 30)
edits = st.one_of(
    st.tuples(st.just("new"), new_orders),
    st.tuples(st.just("state"), picks, states, st.none() | ages),
    st.tuples(st.just("move"), picks, services),
    st.tuples(st.just("late"), picks, states, st.integers(-600, 600)),
    st.tuples(st.just("same second"), picks, states),
    st.tuples(st.just("account"), picks, st.sampled_from(["ada", "bob", None])),
    st.tuples(st.just("again"), picks),
)
"""What one record of a page brings: a number picks an order, whatever there are."""

item_states = st.sampled_from(["Open", "Closed", "Canceled", "Canceled", "Inactive", "Odd"])
new_items = st.fixed_dictionaries(
    {
        "enterprise_id": st.sampled_from(HOTELS),
        "service_id": services,
        "order": picks | st.none(),
        "type": st.sampled_from(["ProductOrder", "ProductOrder", "ProductOrderRebate", "CancellationFee", "CityTax"]),
        "product_id": st.sampled_from(["breakfast", "massage", None]),
        "currency": st.sampled_from(["EUR", "EUR", "GBP"]),
        "accounting_state": item_states,
        "cents": st.integers(-200, 99_999),
        "age": ages,
        "consumed_after": st.sampled_from([timedelta(hours=hours) for hours in (0, 1, 30, 24 * 7, 24 * 31, 24 * 90)]),
    }
)
item_edits = st.one_of(
    st.tuples(st.just("new"), new_items),
    st.tuples(st.just("new"), new_items),
    st.tuples(st.just("state"), picks, item_states, st.none() | ages),
    st.tuples(st.just("order"), picks, picks),
    st.tuples(st.just("hotel"), picks, st.sampled_from(HOTELS)),
    st.tuples(st.just("consumed"), picks, ages),
)

steps = st.one_of(
    st.tuples(st.just("page"), st.lists(edits, min_size=1, max_size=5)),
    st.tuples(st.just("page"), st.lists(edits, min_size=1, max_size=5)),
    st.tuples(st.just("items"), st.lists(item_edits, min_size=1, max_size=6)),
    st.tuples(st.just("items"), st.lists(item_edits, min_size=1, max_size=6)),
    st.tuples(st.just("read items"), st.just("west")),
    st.tuples(st.just("lose items"), st.sampled_from(HOTELS), st.sets(picks, max_size=2)),
    st.tuples(st.just("product"), st.sampled_from(["breakfast", "massage"]), st.sampled_from(["Coffee", "Tea", None])),
    st.tuples(st.just("time"), st.integers(1, 24 * 40)),
    st.tuples(st.just("fail"), st.sampled_from(sorted(SERVICES_OF))),
    st.tuples(st.just("resync"), st.sampled_from(HOTELS), st.sets(picks, max_size=2)),
    st.tuples(st.just("zone"), st.sampled_from(HOTELS), st.sampled_from(ZONES)),
    st.tuples(st.just("hand over"), st.sampled_from(sorted(SERVICES_OF)), st.sampled_from(HOTELS)),
    st.tuples(st.just("list"), st.sampled_from(HOTELS)),
    st.tuples(st.just("retire"), st.sampled_from(sorted(SERVICES_OF)), st.booleans()),
    st.tuples(st.just("forget scope"), st.sampled_from(HOTELS), st.booleans()),
)
derivations = st.sampled_from(["all", "all", "none", "north", "killed at the end", "killed before", "small batches"])


class Killed(BaseException):
    """The process ended here."""


@dataclass
class Source:
    """Hotels that change, and land as they do; its clock goes on by a second with each landing."""

    connection: duckdb.DuckDBPyConnection
    now: datetime = START
    orders: list[dict[str, Any]] = field(default_factory=list)
    hotel_of: dict[str, str] = field(default_factory=lambda: dict(SERVICES_OF))
    items: list[dict[str, Any]] = field(default_factory=list)
    hotels_of_items: set[str] = field(default_factory=lambda: {"north", "south"})

    def begin(self, orders: list[dict[str, Any]]) -> None:
        """A first read of all services, in two parts."""
        forget_everything(self.connection)
        insert(
            self.connection,
            "enterprises",
            [
                {"id": hotel, "name": hotel, "is_in_scope": True, "time_zone_identifier": "Europe/London"}
                for hotel in HOTELS
            ],
        )
        self._list_services()
        half = len(orders) // 2
        unfinished: list[Progress] = [
            FullReadProgress(each, hotel, self.now, "c", 1, False) for each, hotel in self.hotel_of.items()
        ]
        self._land([self._new(order) for order in orders[:half]], unfinished)
        self._land([self._new(order) for order in orders[half:]], self._completed(is_full=True))
        for hotel in sorted(self.hotels_of_items):
            self._read_items(hotel)

    def take(self, step: tuple[Any, ...]) -> None:
        kind, *arguments = step
        getattr(self, f"_{kind.replace(' ', '_')}")(*arguments)

    def _page(self, page: list[tuple[Any, ...]]) -> None:
        rows = [row for edit in page if (row := self._row(edit)) is not None]
        self._land(rows, self._completed())

    def _row(self, edit: tuple[Any, ...]) -> dict[str, Any] | None:
        """What a record of a page holds; None where it is about an order and there is none."""
        kind, *arguments = edit
        if kind == "new":
            return self._new(arguments[0])
        if not self.orders:
            return None
        place = arguments[0] % len(self.orders)
        order: dict[str, Any] = dict(self.orders[place])
        match kind, arguments[1:]:
            case "state", [state, canceled_after]:
                canceled = None if canceled_after is None else order["created_utc"] + canceled_after
                order |= {"state": state, "cancelled_utc": canceled}
            case "move", [service]:
                order["service_id"] = service
            case "late", [state, minutes]:
                return order | {"state": state, "updated_utc": order["created_utc"] + timedelta(minutes=minutes)}
            case "same second", [state]:
                order["state"] = state
                self.orders[place] = order
                return order
            case "account", [account]:
                order["account_id"] = account
            case "again", []:
                return order
        order["updated_utc"] = max(self.now, order["updated_utc"] + timedelta(seconds=1))
        self.orders[place] = order
        return order

    def _new(self, given: dict[str, Any]) -> dict[str, Any]:
        created = self.now - given["age"]
        canceled = None if given["canceled_after"] is None else created + given["canceled_after"]
        order = dict.fromkeys(PRODUCT_SERVICE_ORDERS.table.column_names)
        order |= {name: given[name] for name in ("service_id", "state", "account_id", "origin")}
        order |= {"id": f"order {len(self.orders)}", "created_utc": created, "updated_utc": created}
        order["cancelled_utc"] = canceled
        self.orders.append(order)
        return order

    def _items(self, page: list[tuple[Any, ...]]) -> None:
        rows = [row for edit in page if (row := self._item(edit)) is not None]
        self._land_items([row for row in rows if row["enterprise_id"] in self.hotels_of_items])

    def _item(self, edit: tuple[Any, ...]) -> dict[str, Any] | None:
        kind, *arguments = edit
        if kind == "new":
            return self._new_item(arguments[0])
        if not self.items:
            return None
        place = arguments[0] % len(self.items)
        item: dict[str, Any] = dict(self.items[place])
        match kind, arguments[1:]:
            case "state", [state, canceled_after]:
                canceled = None if canceled_after is None else item["created_utc"] + canceled_after
                item |= {"accounting_state": state, "canceled_utc": canceled}
            case "order", [order]:
                item["service_order_id"] = self._order_id(order)
            case "hotel", [hotel]:
                item["enterprise_id"] = hotel
            case "consumed", [later]:
                item["consumed_utc"] = item["created_utc"] + later
        item["updated_utc"] = max(self.now, item["updated_utc"] + timedelta(seconds=1))
        self.items[place] = item
        return item

    def _new_item(self, given: dict[str, Any]) -> dict[str, Any]:
        created = self.now - given["age"]
        value = Decimal(given["cents"]).scaleb(-2)
        item = dict.fromkeys(ORDER_ITEMS.table.column_names)
        item |= {name: given[name] for name in given if name in item}
        item |= {"id": f"item {len(self.items)}", "service_order_id": self._order_id(given["order"]), "unit_count": 2}
        item |= {"gross_value": value, "net_value": value, "created_utc": created, "updated_utc": created}
        item["consumed_utc"] = created + given["consumed_after"]
        self.items.append(item)
        return item

    def _order_id(self, number: int | None) -> str | None:
        return None if number is None else f"order {number}"

    def _read_items(self, hotel: str) -> None:
        """The items of a hotel are read to their end for the first time."""
        self.hotels_of_items.add(hotel)
        found = [item for item in self.items if item["enterprise_id"] == hotel]
        self._land_items(found, [Completed(hotel, hotel, self.now, self.now, is_full=True)])

    def _lose_items(self, hotel: str, lost: set[int]) -> None:
        if hotel not in self.hotels_of_items:
            return
        gone = {self.items[each % len(self.items)]["id"] for each in lost if self.items}
        found = [item for item in self.items if item["enterprise_id"] == hotel and item["id"] not in gone]
        before = self.now
        seen = [{"scope_id": hotel, "id": each["id"]} for each in found]
        self._land_items(found, [], seen)
        reconcile(self.connection, ORDER_ITEMS, {hotel: hotel}, before, 1.0)

    def _product(self, product: str, name: str | None) -> None:
        self.connection.execute("DELETE FROM mews.products WHERE id = ?", [product])
        row = {"id": product, "enterprise_id": "north", "service_id": "north bar", "name": name}
        insert(self.connection, "products", [row])

    def _land_items(
        self,
        rows: list[dict[str, Any]],
        progress: list[Progress] | None = None,
        seen: list[dict[str, Any]] | None = None,
    ) -> None:
        completed: list[Progress] = [
            Completed(hotel, hotel, self.now, self.now, is_full=False) for hotel in sorted(self.hotels_of_items)
        ]
        self._land(rows, completed if progress is None else progress, seen, ORDER_ITEMS)

    def _time(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self._land([], self._completed())
        self._land_items([])

    def _fail(self, service: str) -> None:
        self._land([], [Failed(service, self.hotel_of[service], "refused")])

    def _resync(self, hotel: str, lost: set[int]) -> None:
        """A full read of a hotel that does not find some orders; what it does find lands again."""
        own = {service: hotel for service, its_hotel in self.hotel_of.items() if its_hotel == hotel}
        gone = {self.orders[each % len(self.orders)]["id"] for each in lost if self.orders}
        found = [order for order in self.orders if order["service_id"] in own and order["id"] not in gone]
        before = self.now
        self._land(found, [], [{"scope_id": each["service_id"], "id": each["id"]} for each in found])
        reconcile(self.connection, PRODUCT_SERVICE_ORDERS, own, before, 1.0)

    def _zone(self, hotel: str, zone: str | None) -> None:
        self.connection.execute("UPDATE mews.enterprises SET time_zone_identifier = ? WHERE id = ?", [zone, hotel])

    def _hand_over(self, service: str, hotel: str) -> None:
        """A service becomes another hotel's."""
        self.hotel_of[service] = hotel
        self._list_services()

    def _list(self, hotel: str) -> None:
        """The service that no list named is listed now; it is read to its end."""
        self.hotel_of["unlisted"] = hotel
        self._list_services()
        self._land([], self._completed(is_full=True))

    def _retire(self, service: str, is_retired: bool) -> None:
        self.connection.execute(
            "UPDATE mews.services SET retired_utc = ? WHERE id = ?", [_naive(self.now) if is_retired else None, service]
        )

    def _forget_scope(self, hotel: str, is_in_scope: bool) -> None:
        self.connection.execute("UPDATE mews.enterprises SET is_in_scope = ? WHERE id = ?", [is_in_scope, hotel])

    def _list_services(self) -> None:
        rows = [
            {"id": service, "enterprise_id": hotel, "name": service, "kind": "Additional"}
            for service, hotel in self.hotel_of.items()
        ]
        land_services(self.connection, _frame(SERVICES.table, rows), _frame(REJECTED_RECORDS, []))

    def _completed(self, *, is_full: bool = False) -> list[Progress]:
        return [
            Completed(service, hotel, self.now, self.now, is_full=is_full) for service, hotel in self.hotel_of.items()
        ]

    def _land(
        self,
        rows: list[dict[str, Any]],
        progress: list[Progress],
        met: list[dict[str, Any]] | None = None,
        endpoint: Endpoint = PRODUCT_SERVICE_ORDERS,
    ) -> None:
        self.now += timedelta(seconds=1)
        landed = [
            row
            | {name: moment and _naive(moment) for name, moment in row.items() if name in MOMENTS}
            | ({"enterprise_id": self.hotel_of.get(row["service_id"])} if endpoint is PRODUCT_SERVICE_ORDERS else {})
            | {
                "fetched_utc": _naive(self.now),
                "is_missing_from_source": False,
            }
            for row in rows
        ]
        landing = Landing(
            endpoint,
            _frame(endpoint.table, landed),
            _frame(REJECTED_RECORDS, []),
            _frame(SEEN, met or []),
            progress,
        )
        land_records(self.connection, landing)


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def _frame(table: Any, rows: list[dict[str, Any]]) -> Any:
    return frame_of(table, rows)


@contextmanager
def made() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse and marts in memory, on a connection whose session zone is far from UTC."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Pacific/Kiritimati'; SET threads = 1")
        connection.execute("ATTACH ':memory:' AS warehouse; ATTACH ':memory:' AS marts")
        use_schemas(connection)
        create_tables(connection)
        create_marts(connection)
        yield connection


@pytest.fixture(scope="module")
def connections() -> Iterator[tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]]:
    """One that is kept up to date, one that is filled from nothing each time."""
    with made() as incremental, made() as from_scratch:
        yield incremental, from_scratch


def run(connection: duckdb.DuckDBPyConnection, derivation: str, monkeypatch: Any) -> None:
    """Derive all, one hotel, in batches of two orders, or until the process is killed at an instant."""
    if derivation == "none":
        return
    if derivation.startswith("killed"):
        with monkeypatch.context() as patch, suppress(Killed):
            patch.setattr(derive_module, "_run", _killed(derivation))
            derive(connection, None, 2)
        return
    derive(connection, ["north"] if derivation == "north" else None, 2 if derivation == "small batches" else 500_000)


def _killed(derivation: str) -> Any:
    """Run statements until the last one, which forgets what was computed, or until the second batch is committed."""
    run_statements, statements = derive_module._run, Counter[str]()

    def until(connection: Any, names: Any, *arguments: Any, **options: Any) -> None:
        statements.update(names)
        if derivation == "killed at the end" and "forget_changed_records" in names:
            raise Killed
        run_statements(connection, names, *arguments, **options)
        if derivation == "killed before" and statements["table_versions"] == 2:
            raise Killed

    return until


def from_nothing(
    incremental: duckdb.DuckDBPyConnection, scratch: duckdb.DuckDBPyConnection
) -> dict[str, list[tuple[Any, ...]]]:
    """The marts of what has landed, derived at once."""
    forget_everything(scratch)
    scratch.execute("DELETE FROM mews.account_key")
    for table in (*LANDED, "account_key"):
        scratch.register("landed", incremental.sql(f"FROM mews.{table}").to_arrow_table())
        scratch.execute(f"INSERT INTO mews.{table} BY NAME FROM landed")
        scratch.unregister("landed")
    derive(scratch)
    return read_all(scratch)


MONTH = "date_trunc('month', created_date)::DATE"
BY_MONTH = {
    "fct_product_service_orders": f"SELECT {MONTH}, * FROM mart.fct_product_service_orders",
    "rpt_orders": f"SELECT {MONTH}, * FROM mart.rpt_orders",
    "fct_order_items": f"SELECT {MONTH}, * FROM mart.fct_order_items",
    "fct_order_state_changes": (
        f"SELECT {MONTH}, changes.* FROM mart.fct_order_state_changes AS changes"
        " INNER JOIN mart.fct_product_service_orders AS orders USING (order_id)"
    ),
}
"""The rows of each table that is published by month, the month first."""

Published = dict[tuple[str, Any], tuple[int | None, Counter[str]]]


def published(connection: duckdb.DuckDBPyConnection) -> Published:
    """The version and the rows of each table, or each month of it, as they would be published."""
    rows: dict[tuple[str, Any], Counter[str]] = defaultdict(Counter)
    for table in MART_TABLES:
        query = BY_MONTH.get(table.name, f"SELECT NULL, * FROM mart.{table.name}")
        for month, *row in connection.execute(query).fetchall():
            rows[table.name, month][repr(row)] += 1
    versions = dict(_versions(connection))
    return {key: (versions.get(key), rows.get(key, Counter())) for key in {*versions, *rows}}


def _versions(connection: duckdb.DuckDBPyConnection) -> list[tuple[tuple[str, Any], int]]:
    found = connection.execute("FROM internal.table_versions").fetchall()
    return [((table, month), version) for table, month, version in found]


def rewritten_under_the_same_version(before: Published, after: Published) -> list[tuple[str, Any]]:
    """Months and tables whose rows changed, and whose version did not; a month without rows needs no version."""
    return [
        key
        for key, (version, rows) in after.items()
        if (version is None and rows) or (key in before and version == before[key][0] and rows != before[key][1])
    ]


def world_of(connection: duckdb.DuckDBPyConnection) -> World:
    """What has landed, for the computation in plain Python; orders without a hotel count in none."""
    world = World()
    for table, rows in vars(world).items():
        if table not in LANDED:
            continue
        found = connection.execute(f"FROM mews.{table}")
        names = [column[0] for column in found.description]
        rows += [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for progress in world.sync_state:
        progress["service_id"] = progress["scope_id"]
    placed = {order["id"] for order in world.product_service_orders if order["enterprise_id"]}
    world.product_service_orders = [each for each in world.product_service_orders if each["id"] in placed]
    return world


HANDED_OVER = {
    "service_id": "west spa",
    "state": "Processed",
    "account_id": None,
    "origin": None,
    "canceled_after": None,
}


@example(
    landed=[HANDED_OVER | {"age": timedelta(days=30)}],
    sequence=[(("hand over", "west spa", "north"), "north"), (("time", 115), "all")],
)
@of_sequences
@given(
    landed=st.lists(new_orders, min_size=2, max_size=12),
    sequence=st.lists(st.tuples(steps, derivations), min_size=12, max_size=20),
)
def test_after_any_sequence_the_marts_are_those_of_what_has_landed(connections, monkeypatch, landed, sequence):
    incremental, scratch = connections
    source = Source(incremental)
    source.begin(landed)
    derive(incremental)
    for step, derivation in [*sequence, (("time", 1), "all")]:
        source.take(step)
        before = published(incremental)
        run(incremental, derivation, monkeypatch)
        assert rewritten_under_the_same_version(before, published(incremental)) == []
        if derivation in {"all", "small batches"}:
            assert read_all(incremental) == from_nothing(incremental, scratch)
    world = world_of(incremental)
    daily = {
        row[:5]: Counter(dict(zip(COUNTS, row[5:], strict=True)))
        for row in read(incremental, "agg_orders_daily", [*KEY, *COUNTS])
    }
    values = reference_items.order_values(world)
    assert reference.differences(daily, reference.orders_daily(world, values)) == {}
    assert reference.differences(items_by_key(incremental), reference_items.item_revenue_daily(world)) == {}
    ahead = {row[:4]: row[4:] for row in read(incremental, "agg_consumption_ahead")}
    assert ahead == reference_items.consumption_ahead(world)
    assert Counter(read(incremental, "fct_order_state_changes")) == Counter(reference.state_changes(world))
    in_facts = [order for (order,) in read(incremental, "fct_product_service_orders", ["order_id"])]
    assert len(in_facts) == len(set(in_facts)), "an order counts twice"
