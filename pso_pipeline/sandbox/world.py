"""The generated world: hotels, services and orders made from a seed, as the API answers for them at any moment.

The content of a world at a moment follows from its options and the moment alone, so a server that is stopped and
started again continues where it was. `hotels` and `lives` draw, `tables` filters and writes, `versions` cuts pages.
HTTP stays in `app`.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

import numpy as np

from pso_pipeline.sandbox import times, tokens
from pso_pipeline.sandbox.app import Page
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.contract import Interval, Limitation, Operation, Query, invalid
from pso_pipeline.sandbox.hotels import DAY, hotels, month_number, month_start, services
from pso_pipeline.sandbox.identifiers import Identifiers, Kind
from pso_pipeline.sandbox.items import ItemTable, product_record, products_of
from pso_pipeline.sandbox.lives import Columns, Lives, joined
from pso_pipeline.sandbox.records import enterprise_record, service_record
from pso_pipeline.sandbox.tables import OrderTable, RecordTable, Table, ValueOf
from pso_pipeline.sandbox.versions import FOREVER

_MONTHS_OF_HISTORY = 24
# With the current month, which is half over on average.
_MONTHS_OF_ORDERS = 24.5
_ENTERPRISE_FIELDS = {"EnterpriseIds": "Id", "ExternalIdentifiers": "ExternalIdentifier", "LinkedUtc": "LinkedUtc"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything in a world at one moment, as the API would send it, newest first."""

    at: int
    enterprises: list[Any]
    services: list[Any]
    orders: list[Any]
    items: list[Any] = field(default_factory=list)
    products: list[Any] = field(default_factory=list)


class GeneratedWorld:
    """Hotels, services and orders made from a seed.

    Attributes:
        clock: The server's clock.
        client_token: The client token it knows.
        access_token: The access token that reaches every hotel.

    Args:
        seed: The same seed makes the same world.
        enterprises: How many hotels.
        orders: About how many orders two years bring, for all hotels together.
        services_of_each: How many services each hotel sells that can be ordered; drawn by the seed unless given.
        since: The first instant of orders; the beginning of the month two years before the clock's unless given. The
            beginning of a month is that of the hotels' own calendars, so that no hotel has orders of one evening only.
        clock: The server's clock; the machine's time unless given.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        enterprises: int = 5,
        orders: int = 100_000,
        services_of_each: int | None = None,
        since: datetime | str | int | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._seed = seed
        self.clock = clock or Clock()
        self.client_token = tokens.client_token(seed)
        self.access_token = tokens.portfolio_token(seed)
        now = self.clock.now()
        self._since = month_start(month_number(now) - _MONTHS_OF_HISTORY) if since is None else times.seconds(since)
        self._identifiers = Identifiers(seed)
        self._enterprise_ids = self._identifiers.texts(Kind.ENTERPRISE, range(enterprises))
        self._scopes = {self.access_token: frozenset(self._enterprise_ids)}
        for number, id_ in enumerate(self._enterprise_ids):
            self._scopes[tokens.enterprise_token(number, seed)] = frozenset([id_])
        first_month = month_number(self._since)
        sold = services(seed, hotels(seed, enterprises), first_month // 12, services_of_each)
        self._service_ids = self._identifiers.texts(
            Kind.SERVICE, [service.hotel.number << 16 | service.slot for service in sold]
        )
        self._lives = Lives(seed, sold, orders / _MONTHS_OF_ORDERS, month_start(first_month - 1) // DAY)
        self._services = sold
        self._tables: dict[Operation, Table] = {
            Operation.ENTERPRISES: self._enterprise_table(enterprises),
            Operation.SERVICES: self._service_table(),
        }
        self._columns: list[tuple[Columns, Columns]] = []
        self._next_month = first_month
        self._lock = threading.Lock()
        self._draw_orders(now)

    def scope(self, client_token: str, access_token: str) -> frozenset[str] | None:
        """Ids of the enterprises that the tokens reach; None for wrong tokens."""
        return self._scopes.get(access_token) if client_token == self.client_token else None

    def enterprise_token(self, number: int) -> str:
        """The access token that reaches only the hotel of this number."""
        return tokens.enterprise_token(number, self._seed)

    def page(self, operation: Operation, scope: frozenset[str], query: Query, now: int) -> Page:
        """A page of one collection."""
        self._draw_orders(now)
        table = self._table(operation)
        hotels_in_scope = np.array([id_ in scope for id_ in self._enterprise_ids])
        fits = table.filter(query, hotels_in_scope, now)
        after = None
        if query.limitation.cursor is not None:
            record = table.record(query.limitation.cursor, hotels_in_scope)
            after = None if record is None else table.versions.current(record, now)
            if after is None:
                raise invalid("Limitation.Cursor")
        updated = query.intervals.get("UpdatedUtc", Interval(0, FOREVER))
        versions = table.versions.page(
            now, query.limitation.count, fits, first=updated.start, last=updated.end, after=after
        )
        items, cursor = table.write(versions)
        return Page(",".join(items).encode(), len(items), cursor)

    def count_orders(self) -> int:
        """How many orders there are by now."""
        self._draw_orders(self.clock.now())
        orders, _ = self._columns[0]
        return int((orders["created"] <= self.clock.now()).sum())

    def snapshot(self, at: datetime | str | int, *, with_items: bool = False) -> Snapshot:
        """Everything at a moment; every order becomes a dict, and every item and product where they are wanted."""
        now = times.seconds(at)
        enterprises, found = (self._everything(each, now) for each in (Operation.ENTERPRISES, Operation.SERVICES))
        orders = self._everything(Operation.ORDERS, now, ServiceIds=frozenset(each["Id"] for each in found))
        if not with_items:
            return Snapshot(now, enterprises, found, orders)
        ids = frozenset(each["Id"] for each in found)
        items, products = (
            self._everything(each, now, ServiceIds=ids) for each in (Operation.ORDER_ITEMS, Operation.PRODUCTS)
        )
        return Snapshot(now, enterprises, found, orders, items, products)

    def _everything(self, operation: Operation, now: int, **values: frozenset[str]) -> list[Any]:
        page = self.page(operation, self._scopes[self.access_token], Query(Limitation(FOREVER), values), now)
        items: list[Any] = json.loads(b"[%s]" % page.items)
        return items

    def _enterprise_table(self, count: int) -> RecordTable:
        records = [enterprise_record(self._seed, self._identifiers, hotel) for hotel in hotels(self._seed, count)]
        columns: dict[str, ValueOf] = {name: itemgetter(field) for name, field in _ENTERPRISE_FIELDS.items()}
        return RecordTable(records, range(count), columns)

    def _service_table(self) -> RecordTable:
        versions = [
            (service.hotel.number, service_record(service, id_, self._enterprise_ids[service.hotel.number], changed))
            for service, id_ in zip(self._services, self._service_ids, strict=True)
            for changed in (service.updated, service.ended)
            if changed is not None
        ]
        columns: dict[str, ValueOf] = {
            "ServiceIds": itemgetter("Id"),
            "EnterpriseIds": itemgetter("EnterpriseId"),
            "ServiceType": lambda record: record["Data"]["Discriminator"],
        }
        return RecordTable([record for _, record in versions], [hotel for hotel, _ in versions], columns)

    def _product_table(self) -> RecordTable:
        service_ids = dict(zip(self._services, self._service_ids, strict=True))
        sold = products_of(self._services)
        records = [
            product_record(
                each, self._identifiers, service_ids[each.service], self._enterprise_ids[each.service.hotel.number]
            )
            for each in sold
        ]
        columns: dict[str, ValueOf] = {
            "ServiceIds": itemgetter("ServiceId"),
            "EnterpriseIds": itemgetter("EnterpriseId"),
            "ProductIds": itemgetter("Id"),
        }
        return RecordTable(records, [each.service.hotel.number for each in sold], columns)

    def _table(self, operation: Operation) -> Table:
        """A collection; products, and the items of the orders drawn so far, are made when somebody asks for them."""
        with self._lock:
            if operation not in self._tables:
                self._tables[operation] = (
                    ItemTable(*self._columns[0], self._identifiers, self._services)
                    if operation is Operation.ORDER_ITEMS
                    else self._product_table()
                )
            return self._tables[operation]

    def _draw_orders(self, now: int) -> None:
        """Draw the months that time has reached, and the month after them."""
        with self._lock:
            # A day ahead, since the hotels' own calendars are up to 14 hours ahead of UTC.
            month = month_number(now + DAY)
            if month < self._next_month:
                return
            drawn = [self._since_the_beginning(*self._lives.month(each)) for each in range(self._next_month, month + 2)]
            self._columns = [_appended([*self._columns, *drawn])]
            self._next_month = month + 2
            hotel_and_creation = [(service.hotel.number, service.created) for service in self._services]
            services = dict(zip(self._service_ids, hotel_and_creation, strict=True))
            self._tables.pop(Operation.ORDER_ITEMS, None)
            self._tables[Operation.ORDERS] = OrderTable(*self._columns[0], self._identifiers, services)

    def _since_the_beginning(self, orders: Columns, versions: Columns) -> tuple[Columns, Columns]:
        """Leave out what was ordered before the first instant."""
        kept = orders["created"] >= self._since
        versions = {name: column[kept[versions["order"]]] for name, column in versions.items()}
        place = np.cumsum(kept, dtype=np.uint32) - np.uint32(1)
        return {name: column[kept] for name, column in orders.items()}, versions | {"order": place[versions["order"]]}


def _appended(batches: Sequence[tuple[Columns, Columns]]) -> tuple[Columns, Columns]:
    """Batches of orders as one.

    `order` of the versions is a place within the batch before, and within all of them after.
    """
    begin = 0
    for orders, versions in batches:
        versions["order"] += np.uint32(begin)
        begin += len(orders["number"])
    return joined([orders for orders, _ in batches]), joined([versions for _, versions in batches])
