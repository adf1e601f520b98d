"""What can be asked of the API: its three operations, each with every documented parameter, checked before it is sent.

Add an operation or a parameter here when the documentation has it. Tokens are added by the client; what to ask for, and
when, is planned elsewhere.
"""

import calendar
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Generic, Self

import msgspec

from pso_pipeline.contract.limits import MAX_COUNT, MAX_IDS, MAX_INTERVAL_MONTHS
from pso_pipeline.mews.records import Enterprise, Order, R, Record, Service


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


class GetAll(msgspec.Struct, Generic[R], frozen=True, kw_only=True, rename="pascal"):
    """A request for all items that pass its filters, a page at a time.

    A filter that is None does not filter. Raises InvalidParameter for what the API would refuse, and for an empty list,
    which reads like "none" but could be taken for "all".
    """

    operation: ClassVar[str]
    items: ClassVar[str]
    """Name of the list in the answer."""
    record: ClassVar[type[Record]]
    """Struct of the items in that list."""

    single: ClassVar[tuple[str, ...]] = ("limitation", "updated_utc")
    """Attributes that are not lists."""

    limitation: Limitation = Limitation()
    updated_utc: Interval | None = None

    def __post_init__(self) -> None:
        for attribute, name in zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True):
            if attribute not in self.single and (values := getattr(self, attribute)) is not None:
                msgspec.structs.force_setattr(self, attribute, _texts(name, values))
        if self.updated_utc is not None and self.updated_utc.end_utc > latest_end(self.updated_utc.start_utc):
            raise InvalidParameter("UpdatedUtc", f"is longer than {MAX_INTERVAL_MONTHS} months")

    def body(self) -> dict[str, Any]:
        """The JSON fields of the request but for the tokens and the client's name."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return {name: value for name, value in fields.items() if value is not None}

    def at(self, limitation: Limitation) -> Self:
        """The same request for another page."""
        return msgspec.structs.replace(self, limitation=limitation)


class GetEnterprises(GetAll[Enterprise], frozen=True, kw_only=True, rename="pascal"):
    """Ask for the enterprises within the access token's scope (API: `enterprises/getAll`)."""

    operation: ClassVar[str] = "enterprises/getAll"
    items: ClassVar[str] = "Enterprises"
    record: ClassVar[type[Record]] = Enterprise
    single: ClassVar[tuple[str, ...]] = ("limitation", "updated_utc", "linked_utc")

    enterprise_ids: Sequence[str] | None = None
    external_identifiers: Sequence[str] | None = None
    linked_utc: Interval | None = None


class GetServices(GetAll[Service], frozen=True, kw_only=True, rename="pascal"):
    """Ask for the services that enterprises sell (API: `services/getAll`)."""

    operation: ClassVar[str] = "services/getAll"
    items: ClassVar[str] = "Services"
    record: ClassVar[type[Record]] = Service
    single: ClassVar[tuple[str, ...]] = ("limitation", "updated_utc", "service_type")

    enterprise_ids: Sequence[str] | None = None
    service_ids: Sequence[str] | None = None
    service_type: str | None = None


class GetProductServiceOrders(GetAll[Order], frozen=True, kw_only=True, rename="pascal"):
    """Ask for the product service orders of 1 to 1000 services (API: `productServiceOrders/getAll`).

    Without `updated_utc` all history comes.
    """

    operation: ClassVar[str] = "productServiceOrders/getAll"
    items: ClassVar[str] = "ProductServiceOrders"
    record: ClassVar[type[Record]] = Order

    service_ids: Sequence[str]
    enterprise_ids: Sequence[str] | None = None
    product_service_order_ids: Sequence[str] | None = None
    account_ids: Sequence[str] | None = None
    linked_reservation_ids: Sequence[str] | None = None
    states: Sequence[str] | None = None


def latest_end(start: datetime) -> datetime:
    """The latest end that an `UpdatedUtc` interval from this start may have: 3 calendar months later.

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


def _texts(name: str, values: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise InvalidParameter(name, "takes a list, not one text")
    if not 1 <= len(values) <= MAX_IDS:
        raise InvalidParameter(name, f"takes 1 to {MAX_IDS} values, not {len(values)}")
    if not all(isinstance(value, str) and value for value in values):
        raise InvalidParameter(name, "holds something else than non-empty texts")
    return tuple(values)
