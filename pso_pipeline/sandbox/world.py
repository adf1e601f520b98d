"""What the server needs of a world, and the paging that every small collection shares.

`generated.world` and `scripted` implement `World`. Orders are paged by the world itself, since only it knows how it
holds them; enterprises and services are few enough to be listed and paged here. HTTP stays in `app`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any, Protocol

import msgspec

from pso_pipeline.sandbox import times
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.contract import (
    EnterprisesQuery,
    Interval,
    Limitation,
    OrdersQuery,
    ServicesQuery,
    invalid,
)


class OrderBy(StrEnum):
    """Which time the pages follow: the documentation says "time order" and not which."""

    UPDATED = "updated"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class Page:
    """Some items in the order asked for.

    Attributes:
        items: JSON of the items, comma-separated, without the brackets around them.
        count: How many they are.
        cursor: Id of the oldest of them; None where there are none.
    """

    items: bytes | bytearray
    count: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a world holds at one moment, as the API would send it, newest first."""

    at: int
    enterprises: list[Any]
    services: list[Any]
    orders: list[Any]


@dataclass(frozen=True, slots=True)
class Held:
    """One enterprise, service or scripted order, with what the server must know of it to filter and page.

    The record is sent as it stands, so it may be nothing the client expects; the other fields never depend on that.
    Times are seconds since 1970.
    """

    record: Any
    id: str
    parent_id: str
    created: int
    updated: int
    visible_from: int | None = None

    def field(self, name: str) -> Any:
        """A field of the record, None where the record has no such thing."""
        return self.record.get(name) if isinstance(self.record, dict) else None


class World(Protocol):
    """A source of enterprises, services and orders at each moment of its clock."""

    @property
    def clock(self) -> Clock:
        """The server's clock."""

    def scope(self, client_token: str, access_token: str) -> frozenset[str] | None:
        """Ids of the enterprises that the tokens reach; None where the tokens are refused."""

    def enterprises(self, scope: frozenset[str], now: int) -> Sequence[Held]:
        """Every enterprise within the scope, newest first."""

    def services(self, scope: frozenset[str], now: int) -> Sequence[Held]:
        """Every service of the enterprises within the scope, newest first."""

    def orders(self, scope: frozenset[str], query: OrdersQuery, now: int) -> Page:
        """A page of orders.

        Raises:
            InvalidRequestError: Where the query names an id that does not exist or lies outside the scope.
        """

    def snapshot(self, at: datetime | str | int) -> Snapshot:
        """Everything held at a moment, for comparison with what a client received."""


def page_of_enterprises(held: Sequence[Held], query: EnterprisesQuery) -> Page:
    """Filter and page the enterprises of a scope."""
    if query.enterprise_ids is not None:
        require(query.enterprise_ids, {one.id for one in held}, "EnterpriseIds")

    def fits(one: Held) -> bool:
        return (
            allows(query.enterprise_ids, one.id)
            and allows(query.external_identifiers, one.field("ExternalIdentifier"))
            and (query.updated is None or query.updated.holds(one.updated))
            and (query.linked is None or _linked_within(one, query.linked))
        )

    return page_of(held, fits, query.limitation)


def page_of_services(held: Sequence[Held], query: ServicesQuery, scope: frozenset[str]) -> Page:
    """Filter and page the services of a scope."""
    require(query.enterprise_ids, scope, "EnterpriseIds")
    if query.service_ids is not None:
        require(query.service_ids, {one.id for one in held}, "ServiceIds")

    def fits(one: Held) -> bool:
        return (
            allows(query.enterprise_ids, one.parent_id)
            and allows(query.service_ids, one.id)
            and (query.updated is None or query.updated.holds(one.updated))
            and (query.service_kind is None or _service_kind(one) == query.service_kind)
        )

    return page_of(held, fits, query.limitation)


def page_of(held: Sequence[Held], fits: Callable[[Held], bool], limitation: Limitation) -> Page:
    """Cut one page out of items that stand newest first.

    The cursor may name any of them, fitting or not: the page begins with the next older one.
    """
    begin = 0
    if limitation.cursor is not None:
        begin = next((place for place, one in enumerate(held, start=1) if one.id == limitation.cursor), 0)
        if begin == 0:
            raise invalid("Limitation.Cursor")
    page = list(islice(filter(fits, islice(held, begin, None)), limitation.count))
    items = msgspec.json.encode([one.record for one in page])[1:-1]
    return Page(items, len(page), page[-1].id if page else None)


def newest_first(held: Iterable[Held], order_by: OrderBy) -> list[Held]:
    """Items in the order in which pages hold them; the id settles equal times."""
    if order_by is OrderBy.CREATED:
        return sorted(held, key=lambda one: (one.created, one.id), reverse=True)
    return sorted(held, key=lambda one: (one.updated, one.id), reverse=True)


def allows(wanted: frozenset[str] | None, value: Any) -> bool:
    """Whether a filter lets a value through; a filter that was not given lets everything through."""
    return wanted is None or (isinstance(value, str) and value in wanted)


def require(ids: frozenset[str] | None, known: Iterable[str], parameter: str) -> None:
    """Refuse a filter that names an id which does not exist or lies outside the scope."""
    unknown = sorted(ids.difference(known)) if ids else []
    if unknown:
        raise invalid(parameter, unknown[0])


def _linked_within(one: Held, interval: Interval) -> bool:
    linked = one.field("LinkedUtc")
    try:
        return interval.holds(times.parse(linked))
    except (TypeError, ValueError):
        return False


def _service_kind(one: Held) -> Any:
    data = one.field("Data")
    return data.get("Discriminator") if isinstance(data, dict) else None
