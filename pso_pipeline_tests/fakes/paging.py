"""Filters and pages of small lists of records, as a scripted world and the sandbox's contract need them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

import msgspec

from pso_pipeline.sandbox import times
from pso_pipeline.sandbox.app import Page
from pso_pipeline.sandbox.contract import Interval, Query, invalid


class OrderBy(StrEnum):
    """Which time the pages follow: the documentation says "time order" and not which."""

    UPDATED = "updated"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class Held:
    """One record, with what the server must know of it to filter and page.

    The record is sent unchanged, so it may be nothing that the client expects; the other fields never depend on that.
    Times are seconds since 1970.
    """

    record: Any
    id: str
    parent_id: str
    created: int
    updated: int
    visible_from: int | None = None

    def field(self, name: str) -> Any:
        """A field of the record, None for a record without it."""
        return self.record.get(name) if isinstance(self.record, dict) else None


@dataclass(frozen=True, slots=True)
class Filter:
    """What one parameter compares.

    Attributes:
        value_of: The value of a record that must be among the wanted ones.
        known: Which values a request may name; None for any.
    """

    value_of: Callable[[Held], Any]
    known: Iterable[Any] | None = None


def page_of(held: Sequence[Held], query: Query, filters: Mapping[str, Filter]) -> Page:
    """Cut one page out of records that stand newest first.

    The cursor may name any of them, fitting or not: the page begins with the next older one.

    Raises:
        InvalidRequestError: The query names a value that is not known.
    """
    for name, wanted in query.values.items():
        known = filters[name].known
        unknown = () if known is None else sorted(wanted.difference(known))
        if unknown:
            raise invalid(name, unknown[0])

    def fits(one: Held) -> bool:
        return all(
            isinstance(value := filters[name].value_of(one), str) and value in wanted
            for name, wanted in query.values.items()
        ) and all(_holds(one, name, interval) for name, interval in query.intervals.items())

    begin = 0
    if query.limitation.cursor is not None:
        begin = next((place for place, one in enumerate(held, start=1) if one.id == query.limitation.cursor), 0)
        if begin == 0:
            raise invalid("Limitation.Cursor")
    page = list(islice(filter(fits, islice(held, begin, None)), query.limitation.count))
    items = msgspec.json.encode([one.record for one in page])[1:-1]
    return Page(items, len(page), page[-1].id if page else None)


def newest_first(held: Iterable[Held], order_by: OrderBy) -> list[Held]:
    """Records in the order of pages; the id decides between equal times."""
    if order_by is OrderBy.CREATED:
        return sorted(held, key=lambda one: (one.created, one.id), reverse=True)
    return sorted(held, key=lambda one: (one.updated, one.id), reverse=True)


def _holds(one: Held, name: str, interval: Interval) -> bool:
    if name == "UpdatedUtc":
        return interval.holds(one.updated)
    try:
        return interval.holds(times.parse(one.field(name)))
    except (TypeError, ValueError):
        return False
