"""Orders in arrays, sorted for the ways in which they are asked for.

A ledger never changes: it holds whole lives, and each question says at what moment it is asked. What an order was then
is its last event up to that moment. Pages are found by binary search in an index of (service, time), so their cost
follows the page and not the ledger. What an order looks like on the wire is in `rendering`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from pso_pipeline.sandbox.generated.identifiers import Numbers
from pso_pipeline.sandbox.generated.orders import STATE_BITS, Batch, Flags, Integers, Rows, joined
from pso_pipeline.sandbox.world import OrderBy

_LOW = np.uint64(0xFFFFFFFF)
_HIGH_BITS = np.uint64(32)
_FOREVER = 0xFFFFFFFF
# About three events make a life, and one of them is the last: so many entries hold a page, with some to spare.
_ENTRIES_FOR_ONE_ORDER = 4


@dataclass(frozen=True, slots=True)
class Question:
    """Which orders of a ledger, in which order, and how many.

    Attributes:
        at: The moment it is asked, in seconds since 1970; later events have not happened.
        services: Numbers of the services.
        updated: First and last second of the last change; None is any.
        states: Whether each state is wanted; None is all.
        numbers: Numbers of the orders wanted; None is all.
        accounts: Accounts wanted, each as `account_key`; None is all.
        reservations: Reservations wanted, each as `reservation_key`; None is all.
        before: The rank (`Ledger.placed`) below which the page begins; None is the newest.
        count: The most orders to find.
        order_by: Which time the page follows.
    """

    at: int
    services: Integers
    count: int
    order_by: OrderBy
    updated: tuple[int, int] | None = None
    states: Flags | None = None
    numbers: Numbers | None = None
    accounts: Integers | None = None
    reservations: Integers | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Orders as they were at a moment, newest first, each with its last event then and the time that places it."""

    orders: Rows
    events: Rows
    times: Numbers


@dataclass(frozen=True, slots=True)
class _Hits:
    """Orders by their rank, which is the time that places them and where they stand; each with its last event."""

    ranks: Numbers
    events: Integers


class Ledger:
    """Orders and their events.

    Args:
        batches: What was drawn, the numbers of the orders ascending.
        hotel_of: Hotel number of each service.
    """

    def __init__(self, batches: Iterable[Batch], hotel_of: Integers) -> None:
        self._hotel_of = hotel_of
        self._orders, self._events = _by_service(joined(batches))
        self._by_number = np.argsort(self._orders["number"]).astype(np.uint32)
        self._numbers = self._orders["number"][self._by_number]
        counts = self._orders["events"]
        keys = _keys(np.repeat(self._orders["service"], counts), self._events["time"])
        self._changed_event = np.argsort(keys, kind="stable").astype(np.uint32)
        self._changed_keys = keys[self._changed_event]
        until = np.append(self._events["time"][1:], np.uint32(_FOREVER))
        until[self._orders["first_event"][1:] - 1] = _FOREVER
        self._changed_until = until[self._changed_event]
        of_order = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
        self._changed_order = of_order[self._changed_event]

    def count(self, at: int) -> int:
        """How many orders had been made by a moment."""
        return int((self._orders["created"] <= at).sum())

    def find(self, question: Question) -> Found:
        """The newest orders that fit, newest first, at most as many as asked for."""
        if question.numbers is not None or question.accounts is not None or question.reservations is not None:
            return self._found([self._fitting(question, self._named(question))], question.count)
        if question.order_by is OrderBy.UPDATED:
            return self._walk(question, self._changed_keys, self._changed)
        if question.updated is None:
            return self._walk(question, self._created_keys, self._made)
        return self._found([self._fitting(question, self._made_and_changed(question))], question.count)

    def placed(self, number: int, at: int, order_by: OrderBy) -> tuple[int, int] | None:
        """Service and rank of an order at a moment; None where it was not made yet.

        The high bits of the rank, all but 32, are the time that placed the order.
        """
        places = self._places(np.array([number], dtype=np.uint64))
        if not len(places) or self._orders["created"][places[0]] > at:
            return None
        if order_by is OrderBy.CREATED:
            time = self._orders["created"][places[0]]
        else:
            time = self._events["time"][self._last_event(places, at)[0]]
        return int(self._orders["service"][places[0]]), int(time) << 32 | int(places[0])

    def services_of(self, numbers: Numbers, at: int) -> Integers:
        """The service of each order that had been made by a moment; fewer than the numbers where some had not."""
        orders = self._orders[self._places(numbers)]
        return orders["service"][orders["created"] <= at].astype(np.int64)

    def _walk(self, question: Question, keys: Numbers, hits_at: Callable[[Integers, int], _Hits]) -> Found:
        """Read an index from the newest time backwards, span by span, until a page is full."""
        first, last = (0, question.at) if question.updated is None else question.updated
        last = min(last, question.at)
        if question.before is not None:
            last = min(last, question.before >> 32)
        begin, end = _span(keys, question.services, first, last)
        wanted = question.count * _ENTRIES_FOR_ONE_ORDER
        spans: list[_Hits] = []
        missing = question.count
        while missing > 0 and (end > begin).any():
            split = _split(keys, question.services, begin, end, wanted)
            spans.append(self._fitting(question, hits_at(_ranges(split, end - split), question.at)))
            missing -= len(spans[-1].ranks)
            end = split
            wanted *= 2
        return self._found(spans, question.count)

    def _changed(self, entries: Integers, at: int) -> _Hits:
        """Of some entries of the index by change, those that were the last change of their order."""
        entries = entries[self._changed_until[entries] > at]
        times = self._changed_keys[entries] & _LOW
        return _Hits(times << _HIGH_BITS | self._changed_order[entries], self._changed_event[entries])

    def _made(self, places: Integers, at: int) -> _Hits:
        """Orders by their place, which is their entry in the index by creation too."""
        times = self._created_keys[places] & _LOW
        return _Hits(times << _HIGH_BITS | places.astype(np.uint64), self._last_event(places, at))

    def _made_and_changed(self, question: Question) -> _Hits:
        """The orders last changed within the interval, ranked by creation."""
        first, last = question.updated or (0, question.at)
        begin, end = _span(self._changed_keys, question.services, first, min(last, question.at))
        changed = self._changed(_ranges(begin, end - begin), question.at)
        return self._made((changed.ranks & _LOW).astype(np.int64), question.at)

    def _named(self, question: Question) -> _Hits:
        """The orders of the services that carry the ids asked for."""
        named: list[Integers] = []
        if question.numbers is not None:
            named.append(self._places(question.numbers))
        if question.accounts is not None:
            named.append(_carriers(self._accounts, question.accounts))
        if question.reservations is not None:
            named.append(_carriers(self._reservations, question.reservations))
        places = reduce(np.intersect1d, named)
        orders = self._orders[places]
        places = places[(orders["created"] <= question.at) & np.isin(orders["service"], question.services)]
        made = self._made(places, question.at)
        if question.order_by is OrderBy.CREATED:
            return made
        times = self._events["time"][made.events].astype(np.uint64)
        return _Hits(times << _HIGH_BITS | places.astype(np.uint64), made.events)

    def _fitting(self, question: Question, hits: _Hits) -> _Hits:
        fits = np.ones(len(hits.ranks), dtype=bool)
        if question.before is not None:
            fits &= hits.ranks < np.uint64(question.before)
        if question.updated is not None:
            times = self._events["time"][hits.events]
            fits &= (times >= question.updated[0]) & (times <= question.updated[1])
        if question.states is not None:
            fits &= question.states[self._events["flags"][hits.events] & STATE_BITS]
        return _Hits(hits.ranks[fits], hits.events[fits])

    def _found(self, spans: Sequence[_Hits], count: int) -> Found:
        ranks = np.concatenate([np.empty(0, dtype=np.uint64), *(hits.ranks for hits in spans)])
        events = np.concatenate([np.empty(0, dtype=np.int64), *(hits.events for hits in spans)])
        newest = np.argsort(ranks)[::-1][:count]
        ranks = ranks[newest]
        return Found(self._orders[ranks & _LOW], self._events[events[newest]], ranks >> _HIGH_BITS)

    def _last_event(self, places: Integers, at: int) -> Integers:
        """The last event up to a moment of each order, all made by then."""
        begin = self._orders["first_event"][places].astype(np.int64)
        count = self._orders["events"][places]
        last = begin.copy()
        for step in range(1, int(count.max(initial=1))):
            has_more = step < count
            happened = self._events["time"][np.where(has_more, begin + step, begin)] <= at
            last += has_more & happened
        return last

    def _places(self, numbers: Numbers) -> Integers:
        """Where the orders of these numbers stand; shorter than the numbers where some do not exist."""
        if not len(self._numbers):
            return np.empty(0, dtype=np.int64)
        at = np.minimum(np.searchsorted(self._numbers, numbers), len(self._numbers) - 1)
        places: Integers = self._by_number[at[self._numbers[at] == numbers]].astype(np.int64)
        return places

    @cached_property
    def _created_keys(self) -> Numbers:
        return _keys(self._orders["service"], self._orders["created"])

    @cached_property
    def _accounts(self) -> tuple[Integers, Integers]:
        orders = self._orders
        return _sorted(account_key(self._hotel_of[orders["service"]], orders["account_type"], orders["account"]))

    @cached_property
    def _reservations(self) -> tuple[Integers, Integers]:
        return _sorted(reservation_key(self._hotel_of[self._orders["service"]], self._orders["reservation"]))


def account_key(hotel: npt.NDArray[Any], account_type: npt.NDArray[Any], account: npt.NDArray[Any]) -> Integers:
    """One number for an account of a hotel, customer (type 0) or company (1)."""
    key: Integers = hotel.astype(np.int64) << 33 | account_type.astype(np.int64) << 32 | account.astype(np.int64)
    return key


def reservation_key(hotel: npt.NDArray[Any], reservation: npt.NDArray[Any]) -> Integers:
    """One number for a reservation of a hotel; reservations count from 1, for 0 stands for none."""
    key: Integers = hotel.astype(np.int64) << 32 | reservation.astype(np.int64)
    return key


def _by_service(drawn: Batch) -> tuple[Rows, Rows]:
    """The same orders by service, creation and number, and their events in the same order."""
    place = np.argsort(_keys(drawn.orders["service"], drawn.orders["created"]), kind="stable")
    orders = drawn.orders[place]
    counts = orders["events"].astype(np.int64)
    events = drawn.events[_ranges(orders["first_event"].astype(np.int64), counts)]
    orders["first_event"] = np.cumsum(counts) - counts
    return orders, events


def _keys(services: npt.NDArray[Any], times: npt.NDArray[Any]) -> Numbers:
    return services.astype(np.uint64) << _HIGH_BITS | times.astype(np.uint64)


def _span(keys: Numbers, services: Integers, first: int, last: int) -> tuple[Integers, Integers]:
    """Where the entries of each service from the first to the last second begin and end in an index."""
    prefix = services.astype(np.uint64) << _HIGH_BITS
    begin = np.searchsorted(keys, prefix | np.uint64(max(first, 0)))
    end = np.searchsorted(keys, prefix | np.uint64(max(last + 1, 0)))
    return begin, np.maximum(begin, end)


def _split(keys: Numbers, services: Integers, begin: Integers, end: Integers, wanted: int) -> Integers:
    """Where to begin each service's span so that together they hold about so many entries, none newer left out."""
    lengths = end - begin
    total = int(lengths.sum())
    if total <= 2 * wanted:
        return begin
    longest = int(lengths.argmax())
    back = -(-int(lengths[longest]) * wanted // total)
    since = keys[end[longest] - back] & _LOW
    places = np.searchsorted(keys, services.astype(np.uint64) << _HIGH_BITS | since)
    split: Integers = np.clip(places, begin, end)
    return split


def _ranges(begins: Integers, lengths: Integers) -> Integers:
    """The places of many ranges, one range after the other."""
    ends = np.cumsum(lengths)
    places = np.repeat(begins - (ends - lengths), lengths)
    places += np.arange(len(places))
    return places


def _sorted(keys: Integers) -> tuple[Integers, Integers]:
    places = np.argsort(keys)
    return keys[places], places


def _carriers(index: tuple[Integers, Integers], wanted: Integers) -> Integers:
    """The places whose key is wanted."""
    keys, places = index
    begin, end = np.searchsorted(keys, wanted, side="left"), np.searchsorted(keys, wanted, side="right")
    return places[_ranges(begin, end - begin)]
