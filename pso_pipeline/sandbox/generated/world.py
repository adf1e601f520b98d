"""The generated world: from its options to answers at any moment.

What a world holds at a moment follows from its options and the moment alone. The options `since` and `live_since` have
defaults taken from the clock: ids and lives of orders do not depend on them, only which orders there are. So a server
that is stopped and started again goes on where it was, as long as they are the same.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property

import msgspec
import numpy as np

from pso_pipeline.sandbox import times, tokens
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.contract import STATES, OrdersQuery, invalid
from pso_pipeline.sandbox.generated import offers
from pso_pipeline.sandbox.generated.demand import Demand
from pso_pipeline.sandbox.generated.hotels import hotels
from pso_pipeline.sandbox.generated.identifiers import Identifiers, Kind, Numbers
from pso_pipeline.sandbox.generated.ledger import Found, Ledger, Question, account_key, reservation_key
from pso_pipeline.sandbox.generated.offers import month_number, month_start
from pso_pipeline.sandbox.generated.orders import COMPANY, DAY, Integers
from pso_pipeline.sandbox.generated.records import held_enterprise, held_service
from pso_pipeline.sandbox.generated.rendering import OrderWriter
from pso_pipeline.sandbox.generated.traits import Traits
from pso_pipeline.sandbox.world import Held, OrderBy, Page, Snapshot, newest_first, require

_MONTHS_OF_HISTORY = 24
# The current month is half over on average: with it, a world holds about as many orders as asked for.
_MONTHS_OF_ORDERS = 24.5


class GeneratedWorld:
    """Hotels, services and orders made from a seed.

    Attributes:
        client_token: The client token it knows.
        access_token: The access token that reaches every hotel.

    Args:
        seed: The same seed makes the same world.
        enterprises: How many hotels.
        orders: About how many orders two years bring, for all hotels together.
        services: How many services each hotel sells that can be ordered; what the seed draws unless given.
        since: Orders go back to the beginning of this month; two years before the clock's month unless given.
        live_rate: Changes a minute in all, from `live_since` on, besides those of the orders' usual lives.
        live_since: Live changes begin with this day, UTC; the clock's day unless given.
        order_by: Which time the pages follow.
        clock: The server's clock; the machine's time unless given.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        enterprises: int = 5,
        orders: int = 100_000,
        services: int | None = None,
        since: datetime | str | int | None = None,
        live_rate: float = 0.0,
        live_since: datetime | str | int | None = None,
        order_by: OrderBy | str = OrderBy.UPDATED,
        clock: Clock | None = None,
    ) -> None:
        self._seed = seed
        self._clock = clock or Clock()
        self._order_by = OrderBy(order_by)
        self.client_token = tokens.client_token(seed)
        self.access_token = tokens.portfolio_token(seed)
        now = self._clock.now()
        self._first_month = (
            month_number(now) - _MONTHS_OF_HISTORY if since is None else month_number(times.seconds(since))
        )
        self._live_day = (now if live_since is None else times.seconds(live_since)) // DAY

        self._hotels = hotels(seed, enterprises)
        self._services = offers.services(seed, self._hotels, self._first_month // 12, services)
        self._identifiers = Identifiers(seed)
        self._enterprise_ids = self._identifiers.texts(Kind.ENTERPRISE, [hotel.number for hotel in self._hotels])
        self._service_ids = self._identifiers.texts(
            Kind.SERVICE, [service.hotel.number << 16 | service.slot for service in self._services]
        )
        self._service_numbers = {id_: number for number, id_ in enumerate(self._service_ids)}
        self._scopes = {
            tokens.enterprise_token(number, seed): frozenset({id_}) for number, id_ in enumerate(self._enterprise_ids)
        }
        self._scopes[self.access_token] = frozenset(self._enterprise_ids)
        traits = Traits(self._services, month_start(self._first_month - 1) // DAY)
        self._hotel_of = traits.hotel
        self._demand = Demand(seed, traits, orders / _MONTHS_OF_ORDERS, live_rate)
        self._writer = OrderWriter(self._identifiers, self._service_ids, self._hotel_of)
        self._history = self._live = Ledger([], self._hotel_of)
        self._history_end = self._live_end = 0
        self._announced_at: tuple[int, list[Held]] = (-1, [])
        self._lock = threading.Lock()
        self._ledgers(now)

    @property
    def clock(self) -> Clock:
        """The server's clock."""
        return self._clock

    def scope(self, client_token: str, access_token: str) -> frozenset[str] | None:
        """Ids of the enterprises that the tokens reach; None where the tokens are refused."""
        return self._scopes.get(access_token) if client_token == self.client_token else None

    def enterprise_token(self, number: int) -> str:
        """The access token that reaches only the hotel of this number."""
        return tokens.enterprise_token(number, self._seed)

    def enterprises(self, scope: frozenset[str], now: int) -> Sequence[Held]:
        """Every enterprise within the scope, newest first."""
        return [one for one in self._enterprises if one.id in scope and one.created <= now]

    def services(self, scope: frozenset[str], now: int) -> Sequence[Held]:
        """Every service of the enterprises within the scope that was announced by now, newest first."""
        announced = self._announced(now)
        if len(scope) == len(self._hotels):
            return announced
        return [one for one in announced if one.parent_id in scope]

    def orders(self, scope: frozenset[str], query: OrdersQuery, now: int) -> Page:
        """A page of orders."""
        require(query.enterprise_ids, scope, "EnterpriseIds")
        found = self._find(
            Question(
                at=now,
                services=self._wanted_services(scope, query, now),
                count=query.limitation.count,
                order_by=self._order_by,
                updated=None if query.updated is None else (query.updated.start, query.updated.end),
                states=None if query.states is None else np.array([state in query.states for state in STATES]),
                numbers=self._wanted_orders(scope, query.order_ids, now),
                accounts=self._wanted_accounts(scope, query.account_ids),
                reservations=self._wanted_reservations(scope, query.linked_reservation_ids),
            ),
            self._before(scope, query.limitation.cursor, now),
        )
        return self._page(found)

    def count_orders(self, at: datetime | str | int | None = None) -> int:
        """How many orders there are at a moment, now unless given."""
        moment = self._clock.now() if at is None else times.seconds(at)
        return sum(ledger.count(moment) for ledger in self._ledgers(moment))

    def snapshot(self, at: datetime | str | int) -> Snapshot:
        """Everything held at a moment; every order becomes a dict, which takes some 3 kB each."""
        moment = times.seconds(at)
        scope = self._scopes[self.access_token]
        everything = Question(moment, np.arange(len(self._services)), 1 << 40, self._order_by)
        orders = msgspec.json.decode(b"[%s]" % self._page(self._find(everything)).items)
        return Snapshot(
            moment,
            [one.record for one in self.enterprises(scope, moment)],
            [one.record for one in self.services(scope, moment)],
            orders,
        )

    @cached_property
    def _enterprises(self) -> list[Held]:
        held = (
            held_enterprise(self._seed, self._identifiers, hotel, self._enterprise_ids[hotel.number])
            for hotel in self._hotels
        )
        return newest_first(held, self._order_by)

    def _announced(self, now: int) -> list[Held]:
        """Every service announced by now, newest first; kept for an hour, for services change at full hours only."""
        hour = now // 3600
        if self._announced_at[0] != hour:
            held = (
                held_service(service, id_, self._enterprise_ids[service.hotel.number], now)
                for service, id_ in zip(self._services, self._service_ids, strict=True)
                if service.created <= now
            )
            self._announced_at = (hour, newest_first(held, self._order_by))
        return self._announced_at[1]

    def _ledgers(self, now: int) -> tuple[Ledger, Ledger]:
        """The orders of the months and those of the live days, drawn anew where time has passed what was drawn."""
        with self._lock:
            # A day ahead, since the hotels' own calendars are up to 14 hours ahead of UTC.
            month, day = month_number(now + DAY), now // DAY + 1
            if month >= self._history_end:
                self._history_end = month + 2
                months = range(self._first_month, self._history_end)
                self._history = Ledger(map(self._demand.month, months), self._hotel_of)
            if day >= self._live_end:
                self._live_end = day + 1
                days = range(self._live_day, self._live_end)
                self._live = Ledger(map(self._demand.day, days), self._hotel_of)
            return self._history, self._live

    def _find(self, question: Question, before: tuple[int | None, int | None] = (None, None)) -> Found:
        """Ask both ledgers for what ranks before their bounds, and merge."""
        older, recent = (
            ledger.find(replace(question, before=bound))
            for ledger, bound in zip(self._ledgers(question.at), before, strict=True)
        )
        if not len(recent.times):
            return older
        moments = np.concatenate([recent.times, older.times])
        newest = np.argsort(moments.max() - moments, kind="stable")[: question.count]
        orders = np.concatenate([recent.orders, older.orders])[newest]
        return Found(orders, np.concatenate([recent.events, older.events])[newest], moments[newest])

    def _before(self, scope: frozenset[str], cursor: str | None, now: int) -> tuple[int | None, int | None]:
        """The rank that a page begins after, in each ledger; where times are equal, live orders are the newer."""
        if cursor is None:
            return None, None
        kinds, numbers = self._identifiers.numbers([cursor])
        history, live = (ledger.placed(int(numbers[0]), now, self._order_by) for ledger in self._ledgers(now))
        placed = history or live
        if kinds[0] != Kind.ORDER or placed is None or not self._reaches(scope, self._hotel_of[[placed[0]]]):
            raise invalid("Limitation.Cursor")
        rank = placed[1]
        return (rank, rank >> 32 << 32) if history is not None else ((rank >> 32) + 1 << 32, rank)

    def _page(self, found: Found) -> Page:
        items, cursor = self._writer.write(found)
        return Page(items, len(found.orders), cursor)

    def _wanted_services(self, scope: frozenset[str], query: OrdersQuery, now: int) -> Integers:
        wanted = []
        for id_ in query.service_ids:
            number = self._service_numbers.get(id_)
            service = None if number is None else self._services[number]
            if number is None or service is None or service.created > now:
                raise invalid("ServiceIds", id_)
            enterprise_id = self._enterprise_ids[service.hotel.number]
            if enterprise_id not in scope:
                raise invalid("ServiceIds", id_)
            if query.enterprise_ids is None or enterprise_id in query.enterprise_ids:
                wanted.append(number)
        return np.array(sorted(wanted), dtype=np.int64)

    def _wanted_orders(self, scope: frozenset[str], ids: Iterable[str] | None, now: int) -> Numbers | None:
        if ids is None:
            return None
        kinds, numbers = self._identifiers.numbers(list(ids))
        found = np.concatenate([ledger.services_of(numbers, now) for ledger in self._ledgers(now)])
        is_known = (kinds == Kind.ORDER).all() and len(found) == len(numbers)
        if not (is_known and self._reaches(scope, self._hotel_of[found])):
            raise invalid("ProductServiceOrderIds")
        return numbers

    def _wanted_accounts(self, scope: frozenset[str], ids: Iterable[str] | None) -> Integers | None:
        if ids is None:
            return None
        kinds, hotel, account = self._things(scope, ids, {Kind.CUSTOMER, Kind.COMPANY}, "AccountIds")
        by_company = kinds == Kind.COMPANY
        known = np.where(by_company, self._demand.companies[hotel], self._demand.customers[hotel])
        if (account >= known).any():
            raise invalid("AccountIds")
        return account_key(hotel, by_company * COMPANY, account)

    def _wanted_reservations(self, scope: frozenset[str], ids: Iterable[str] | None) -> Integers | None:
        if ids is None:
            return None
        _, hotel, reservation = self._things(scope, ids, {Kind.RESERVATION}, "LinkedReservationIds")
        if (reservation > self._demand.reservations[hotel]).any() or (reservation == 0).any():
            raise invalid("LinkedReservationIds")
        return reservation_key(hotel, reservation)

    def _things(
        self, scope: frozenset[str], ids: Iterable[str], allowed: set[Kind], parameter: str
    ) -> tuple[Integers, Integers, Integers]:
        """Kinds, hotels and numbers within the hotel of some ids, all of the kinds allowed and within the scope."""
        kinds, numbers = self._identifiers.numbers(list(ids))
        hotel, number = (numbers >> np.uint64(32)).astype(np.int64), (numbers & np.uint64(0xFFFFFFFF)).astype(np.int64)
        if not np.isin(kinds, list(allowed)).all() or not self._reaches(scope, hotel):
            raise invalid(parameter)
        return kinds, hotel, number

    def _reaches(self, scope: frozenset[str], hotel: Integers) -> bool:
        return all(self._enterprise_ids[number] in scope for number in np.unique(hotel).tolist())
