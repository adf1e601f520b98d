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
class Entry:
    """One record, with what the server must know of it to filter and page.

    The record is sent unchanged, so it may be nothing that the client expects; the other fields never depend on it.
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
        value_of: Reads the value that must be among those of the parameter.
        known: Which values a request may name; None for any.
    """

    value_of: Callable[[Entry], Any]
    known: Iterable[Any] | None = None


def page_of(entries: Sequence[Entry], query: Query, filters: Mapping[str, Filter]) -> Page:
    """Cut one page out of entries in the order of `newest_first`.

    The cursor may name any of them, fitting or not: the page begins with the next older one.

    Raises:
        InvalidRequestError: The query names an unknown value.
    """
    for name, wanted in query.values.items():
        known = filters[name].known
        unknown = () if known is None else sorted(wanted.difference(known))
        if unknown:
            raise invalid(name, unknown[0])

    def fits(one: Entry) -> bool:
        return all(
            isinstance(value := filters[name].value_of(one), str) and value in wanted
            for name, wanted in query.values.items()
        ) and all(_contains(one, name, interval) for name, interval in query.intervals.items())

    begin = 0
    if query.limitation.cursor is not None:
        begin = next((place for place, one in enumerate(entries, start=1) if one.id == query.limitation.cursor), 0)
        if begin == 0:
            raise invalid("Limitation.Cursor")
    page = list(islice(filter(fits, islice(entries, begin, None)), query.limitation.count))
    items = msgspec.json.encode([one.record for one in page])[1:-1]
    return Page(items, len(page), page[-1].id if page else None)


def newest_first(entries: Iterable[Entry], order_by: OrderBy) -> list[Entry]:
    """Records in the order of pages; the id decides between equal times."""
    if order_by is OrderBy.CREATED:
        return sorted(entries, key=lambda one: (one.created, one.id), reverse=True)
    return sorted(entries, key=lambda one: (one.updated, one.id), reverse=True)


def _contains(one: Entry, name: str, interval: Interval) -> bool:
    if name == "UpdatedUtc":
        return interval.contains(one.updated)
    try:
        return interval.contains(times.parse(one.field(name)))
    except (TypeError, ValueError):
        return False
