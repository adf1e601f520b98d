"""The sandbox's own copy of the contract: paths, enumerations, limits, and the reading of request bodies.

Each request body becomes a query whose shape is sound; what is wrong raises `InvalidRequestError` with the message the
API gives. Add a parameter here when the documentation gains one. Whether an id exists is the world's to say. Nothing
here is shared with the client: two readings of one contract are the point.

Source: Mews Connector API, Guidelines (Serialization, Pagination, Requests) and the three operations' own pages.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pso_pipeline.sandbox import times


class Operation(StrEnum):
    """The operations served, each named as in its path."""

    ENTERPRISES = "enterprises/getAll"
    SERVICES = "services/getAll"
    ORDERS = "productServiceOrders/getAll"

    @property
    def path(self) -> str:
        """Path below the platform address, matched to the letter."""
        return f"/api/connector/v1/{self.value}"

    @property
    def collection(self) -> str:
        """Name of the list in the response."""
        return {
            Operation.ENTERPRISES: "Enterprises",
            Operation.SERVICES: "Services",
            Operation.ORDERS: "ProductServiceOrders",
        }[self]


STATES = ("Inquired", "Confirmed", "Started", "Processed", "Canceled", "Optional", "Requested")
ORIGINS = ("Distributor", "ChannelManager", "Commander", "Import", "Connector", "Navigator")
COMMANDER_ORIGINS = (
    "InPerson",
    "Channel",
    "Phone",
    "Email",
    "Website",
    "Message",
    "CallCenter",
    "RoomingList",
)
ACCOUNT_TYPES = ("Customer", "Company")
SERVICE_KINDS = ("Bookable", "Additional")

MAX_IDS = 1000
MAX_COUNT = 1000
MAX_INTERVAL_MONTHS = 3
MAX_BODY_BYTES = 1024 * 1024

_ID_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


class InvalidRequestError(Exception):
    """The request cannot be answered as it stands: 400, with this message."""


def invalid(parameter: str, details: str | None = None) -> InvalidRequestError:
    """The error for one unusable parameter, with what was wrong where that helps."""
    return InvalidRequestError(f"Invalid {parameter}", details)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The tokens a body carries, and the application that sends it."""

    client_token: str
    access_token: str
    client: str


@dataclass(frozen=True, slots=True)
class Interval:
    """Two instants in seconds since 1970; both belong to the interval."""

    start: int
    end: int

    def holds(self, moment: int | None) -> bool:
        """Whether the moment lies within, ends included."""
        return moment is not None and self.start <= moment <= self.end


@dataclass(frozen=True, slots=True)
class Limitation:
    """How many items a page may hold, and the id of the item that the page begins after."""

    count: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class EnterprisesQuery:
    """A sound body of enterprises/getAll; a filter that was not given is None."""

    limitation: Limitation
    enterprise_ids: frozenset[str] | None
    external_identifiers: frozenset[str] | None
    linked: Interval | None
    updated: Interval | None


@dataclass(frozen=True, slots=True)
class ServicesQuery:
    """A sound body of services/getAll; a filter that was not given is None."""

    limitation: Limitation
    enterprise_ids: frozenset[str] | None
    service_ids: frozenset[str] | None
    service_kind: str | None
    updated: Interval | None


@dataclass(frozen=True, slots=True)
class OrdersQuery:
    """A sound body of productServiceOrders/getAll; a filter that was not given is None."""

    limitation: Limitation
    service_ids: frozenset[str]
    enterprise_ids: frozenset[str] | None
    order_ids: frozenset[str] | None
    account_ids: frozenset[str] | None
    linked_reservation_ids: frozenset[str] | None
    updated: Interval | None
    states: frozenset[str] | None


def read_credentials(body: Mapping[str, Any]) -> Credentials:
    """The tokens and the client of a body, whatever the operation."""
    return Credentials(*(_required_text(body, name) for name in ("ClientToken", "AccessToken", "Client")))


def read_enterprises(body: Mapping[str, Any]) -> EnterprisesQuery:
    """Read a body of enterprises/getAll."""
    return EnterprisesQuery(
        limitation=_limitation(body),
        enterprise_ids=_ids(body, "EnterpriseIds"),
        external_identifiers=_texts(body, "ExternalIdentifiers"),
        linked=_interval(body, "LinkedUtc"),
        updated=_interval(body, "UpdatedUtc"),
    )


def read_services(body: Mapping[str, Any]) -> ServicesQuery:
    """Read a body of services/getAll."""
    kind = body.get("ServiceType")
    if kind is not None and kind not in SERVICE_KINDS:
        raise invalid("ServiceType")
    return ServicesQuery(
        limitation=_limitation(body),
        enterprise_ids=_ids(body, "EnterpriseIds"),
        service_ids=_ids(body, "ServiceIds"),
        service_kind=kind,
        updated=_interval(body, "UpdatedUtc"),
    )


def read_orders(body: Mapping[str, Any]) -> OrdersQuery:
    """Read a body of productServiceOrders/getAll."""
    service_ids = _ids(body, "ServiceIds")
    if service_ids is None:
        raise invalid("ServiceIds", "required")
    states = _texts(body, "States")
    if states is not None and not states <= set(STATES):
        raise invalid("States")
    return OrdersQuery(
        limitation=_limitation(body),
        service_ids=service_ids,
        enterprise_ids=_ids(body, "EnterpriseIds"),
        order_ids=_ids(body, "ProductServiceOrderIds"),
        account_ids=_ids(body, "AccountIds"),
        linked_reservation_ids=_ids(body, "LinkedReservationIds"),
        updated=_interval(body, "UpdatedUtc"),
        states=states,
    )


def _required_text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise invalid(name)
    return value


def _texts(body: Mapping[str, Any], name: str) -> frozenset[str] | None:
    values = body.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_IDS:
        raise invalid(name, f"1 to {MAX_IDS} items")
    if not all(isinstance(value, str) for value in values):
        raise invalid(name, "items are strings")
    return frozenset(values)


def _ids(body: Mapping[str, Any], name: str) -> frozenset[str] | None:
    values = _texts(body, name)
    if values is None:
        return None
    if not all(map(_ID_FORM.fullmatch, values)):
        raise invalid(name, "items are UUIDs")
    return frozenset(map(str.lower, values))


def _interval(body: Mapping[str, Any], name: str) -> Interval | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        interval = Interval(times.parse(value["StartUtc"]), times.parse(value["EndUtc"]))
    except (KeyError, TypeError, ValueError) as error:
        raise invalid(name, "StartUtc and EndUtc, each YYYY-MM-DDThh:mm:ssZ") from error
    if interval.start > interval.end:
        raise invalid(name, "StartUtc is later than EndUtc")
    if interval.end > times.months_later(interval.start, MAX_INTERVAL_MONTHS):
        raise invalid(name, f"longer than {MAX_INTERVAL_MONTHS} months")
    return interval


def _limitation(body: Mapping[str, Any]) -> Limitation:
    value = body.get("Limitation")
    if not isinstance(value, dict):
        raise invalid("Limitation", "required")
    count = value.get("Count")
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_COUNT:
        raise invalid("Limitation.Count", f"1 to {MAX_COUNT}")
    cursor = value.get("Cursor")
    if cursor is None:
        return Limitation(count, None)
    if not isinstance(cursor, str) or not _ID_FORM.fullmatch(cursor):
        raise invalid("Limitation.Cursor")
    return Limitation(count, cursor.lower())
