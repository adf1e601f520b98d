"""What can be requested from the API: pages of the records of an endpoint, with its filters, checked before it is sent.

Which filters there are is in the endpoint. Tokens are added by the client; what to request, and when, is planned
elsewhere.
"""

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import msgspec

from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.contract.endpoints.endpoint import Filter
from pso_pipeline.contract.limits import MAX_COUNT, MAX_INTERVAL_MONTHS


class InvalidParameter(ValueError):
    """A parameter that the API would refuse; `parameter` is its name in the API's documentation."""

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(parameter, problem)
        self.parameter = parameter
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.parameter}: {self.problem}"


class Interval(msgspec.Struct, frozen=True, rename="pascal"):
    """A stretch of time from `start_utc` to `end_utc`, both included.

    The API knows whole seconds only: the start is rounded down and the end up, so that nothing falls out.
    """

    start_utc: datetime
    end_utc: datetime

    def __post_init__(self) -> None:
        start = _in_utc("StartUtc", self.start_utc).replace(microsecond=0)
        end = _in_utc("EndUtc", self.end_utc)
        if end.microsecond:
            end = end.replace(microsecond=0) + timedelta(seconds=1)
        if start > end:
            raise InvalidParameter("StartUtc", f"{start.isoformat()} is later than EndUtc {end.isoformat()}")
        msgspec.structs.force_setattr(self, "start_utc", start)
        msgspec.structs.force_setattr(self, "end_utc", end)


class Limitation(msgspec.Struct, frozen=True, rename="pascal"):
    """How many items a page may hold, and the cursor that it starts from; without one, from the newest item."""

    count: int = MAX_COUNT
    cursor: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_COUNT:
            raise InvalidParameter("Limitation.Count", f"{self.count} is not between 1 and {MAX_COUNT}")
        if self.cursor == "":
            raise InvalidParameter("Limitation.Cursor", "is empty; leave it out to start from the newest item")


FilterValue = Sequence[str] | str | bool | Interval


@dataclass(frozen=True, slots=True)
class GetAll:
    """A request for all records of an endpoint that pass its filters, a page at a time.

    `filters` maps names of the API to values; one that is None does not filter. Raises InvalidParameter for what the
    API would refuse, and for an empty list, which reads like "none" but could be taken for "all".
    """

    endpoint: Endpoint
    filters: Mapping[str, FilterValue | None] = field(default_factory=dict)
    limitation: Limitation = field(default_factory=Limitation)

    def __post_init__(self) -> None:
        known = {each.name: each for each in self.endpoint.filters}
        given = {name: value for name, value in self.filters.items() if value is not None}
        if unknown := given.keys() - known.keys():
            raise InvalidParameter(min(unknown), f"is no filter of {self.operation}")
        if missing := {each.name for each in self.endpoint.filters if each.is_required} - given.keys():
            raise InvalidParameter(min(missing), f"is required by {self.operation}")
        if (one_of := self.endpoint.one_of) and not given.keys() & set(one_of):
            raise InvalidParameter(one_of[0], f"or another of {', '.join(one_of[1:])} is required by {self.operation}")
        object.__setattr__(self, "filters", {name: _checked(known[name], value) for name, value in given.items()})

    @property
    def operation(self) -> str:
        """The operation of the API."""
        return self.endpoint.operation

    def body(self) -> dict[str, Any]:
        """Return the JSON fields of the request but for the tokens and the client's name."""
        fields: dict[str, Any] = msgspec.to_builtins({**self.filters, "Limitation": self.limitation})
        return fields

    def at(self, limitation: Limitation) -> Self:
        """Return the same request for another page."""
        return replace(self, limitation=limitation)


def latest_end(start: datetime) -> datetime:
    """Return the latest end that an `UpdatedUtc` interval from this start may have: 3 calendar months later.

    Where that month is too short for the day, its last day.
    """
    months = start.year * 12 + start.month - 1 + MAX_INTERVAL_MONTHS
    year, month = divmod(months, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    return start.replace(year=year, month=month + 1, day=min(start.day, last_day))


def _in_utc(name: str, moment: datetime) -> datetime:
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise InvalidParameter(name, f"{moment.isoformat()} has no time zone")
    return moment.astimezone(UTC)


def _checked(described: Filter, value: FilterValue) -> FilterValue:
    """Check a value against what the API takes for its filter; a list is copied."""
    name = described.name
    if described.kind == "interval":
        if not isinstance(value, Interval):
            raise InvalidParameter(name, "takes an interval")
        if value.end_utc > latest_end(value.start_utc):
            raise InvalidParameter(name, f"is longer than {MAX_INTERVAL_MONTHS} months")
        return value
    if described.kind == "text":
        if not isinstance(value, str) or not value:
            raise InvalidParameter(name, "takes a text")
        return value
    if described.kind == "flag":
        if not isinstance(value, bool):
            raise InvalidParameter(name, "takes True or False")
        return value
    return _checked_list(described, value)


def _checked_list(described: Filter, value: FilterValue) -> FilterValue:
    name = described.name
    if isinstance(value, str | bool | Interval):
        raise InvalidParameter(name, "takes a list, not one value")
    if not 1 <= len(value) <= described.limit:
        raise InvalidParameter(name, f"takes 1 to {described.limit} values, not {len(value)}")
    if not all(isinstance(each, str) and each for each in value):
        raise InvalidParameter(name, "holds something else than non-empty texts")
    return tuple(value)
