"""The sandbox's own copy of the contract: operations, enumerations, limits, and how a request body is read.

A body becomes a `Query` whose form is valid; anything else raises `InvalidRequestError` with the message that the API
gives. Add an operation or a parameter here when the sandbox is to serve it. The world decides whether an id exists.
Nothing here is shared with the client: two readings of one contract find the mistakes of each other.

Source: Mews Connector API, Guidelines (Serialization, Pagination, Requests) and the operations' own pages.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pso_pipeline.sandbox import times


class Operation(StrEnum):
    """The operations served, each named as in its path."""

    ENTERPRISES = "enterprises/getAll"
    SERVICES = "services/getAll"
    ORDERS = "productServiceOrders/getAll"
    ORDER_ITEMS = "orderItems/getAll"
    PRODUCTS = "products/getAll"

    @property
    def path(self) -> str:
        """Path below the platform address, matched exactly."""
        return f"/api/connector/v1/{self.value}"

    @property
    def collection(self) -> str:
        """Name of the list in the response."""
        name = self.value.removesuffix("/getAll")
        return name[0].upper() + name[1:]


STATES = ("Inquired", "Confirmed", "Started", "Processed", "Canceled", "Optional", "Requested")
ORIGINS = ("Distributor", "ChannelManager", "Commander", "Import", "Connector", "Navigator")
COMMANDER_ORIGINS = ("InPerson", "Channel", "Phone", "Email", "Website", "Message", "CallCenter", "RoomingList")
ACCOUNT_TYPES = ("Customer", "Company")
ACCOUNTING_STATES = ("Open", "Closed", "Inactive", "Canceled")
ITEM_TYPES = (
    "ProductOrder",
    "SpaceOrder",
    "CustomItem",
    "CancellationFee",
    "ProductOrderRebate",
    "AdditionalExpenseRebate",
    "NightRebate",
    "ServiceCharge",
    "CityTax",
    "CityTaxDiscount",
    "Deposit",
    "Surcharge",
    "TaxCorrection",
    "ExchangeRateDifference",
    "ResourceUpgradeFee",
    "InvoiceFee",
    "MulticurrencyFee",
    "AllowanceDiscount",
    "AllowanceBreakage",
    "AllowanceContraBreakage",
)
SERVICE_KINDS = ("Bookable", "Additional")

MAX_IDS = 1000
MAX_COUNT = 1000
MAX_INTERVAL_MONTHS = 3
MAX_BODY_BYTES = 1024 * 1024

_ID_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class _Parameters:
    """The filters of one operation: lists of ids, of texts and of an enumeration's values, single values, intervals.

    Of `one_of`, one must be given; `limits` are of lists that may hold fewer ids than others.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...] = ()
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    intervals: tuple[str, ...] = ("UpdatedUtc",)
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


_ITEM_INTERVALS = ("CreatedUtc", "UpdatedUtc", "ConsumedUtc", "CanceledUtc", "ClosedUtc")

_PARAMETERS = {
    Operation.ENTERPRISES: _Parameters(
        ids=("EnterpriseIds",), texts=("ExternalIdentifiers",), intervals=("LinkedUtc", "UpdatedUtc")
    ),
    Operation.SERVICES: _Parameters(ids=("EnterpriseIds", "ServiceIds"), choices={"ServiceType": SERVICE_KINDS}),
    Operation.ORDERS: _Parameters(
        ids=("ServiceIds", "EnterpriseIds", "ProductServiceOrderIds", "AccountIds", "LinkedReservationIds"),
        lists={"States": STATES},
        required=("ServiceIds",),
    ),
    Operation.ORDER_ITEMS: _Parameters(
        ids=("EnterpriseIds", "OrderItemIds", "ServiceOrderIds", "ServiceIds", "BillIds", "AccountIds"),
        lists={"AccountingStates": ACCOUNTING_STATES, "Types": ITEM_TYPES},
        intervals=_ITEM_INTERVALS,
        one_of=("OrderItemIds", "ServiceOrderIds", "ServiceIds", "BillIds", "AccountIds", *_ITEM_INTERVALS),
        limits={"AccountIds": 100},
    ),
    Operation.PRODUCTS: _Parameters(
        ids=("EnterpriseIds", "ServiceIds", "ProductIds"), required=("ServiceIds",), flags=("IncludeDefault",)
    ),
}


class InvalidRequestError(Exception):
    """The request has an invalid part: 400, with this message."""


def invalid(parameter: str, details: str | None = None) -> InvalidRequestError:
    """The error for one invalid parameter, with what was wrong where that helps."""
    return InvalidRequestError(f"Invalid {parameter}", details)


@dataclass(frozen=True, slots=True)
class Interval:
    """Two instants in seconds since 1970; both belong to the interval."""

    start: int
    end: int

    def contains(self, moment: int | None) -> bool:
        """Whether the moment lies within, ends included."""
        return moment is not None and self.start <= moment <= self.end


@dataclass(frozen=True, slots=True)
class Limitation:
    """How many items a page may have, and the id of the item that the page begins after."""

    count: int
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A valid body of any operation: the filters that were given, by the names of their parameters."""

    limitation: Limitation
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)


def read_tokens(body: Mapping[str, Any]) -> tuple[str, str]:
    """Read the client token and the access token of a body, which must name its client too."""
    client_token, access_token, _ = (_required_text(body, name) for name in ("ClientToken", "AccessToken", "Client"))
    return client_token, access_token


def read_query(operation: Operation, body: Mapping[str, Any]) -> Query:
    """Read the filters and the limitation of a body; a filter that is null counts as not given."""
    parameters = _PARAMETERS[operation]
    given = {name for name, value in body.items() if value is not None}
    for name in parameters.required:
        if name not in given:
            raise invalid(name, "required")
    if parameters.one_of and not given & set(parameters.one_of):
        raise invalid(parameters.one_of[0], f"one of {', '.join(parameters.one_of)} is required")
    for name in parameters.flags:
        if name in given and not isinstance(body[name], bool):
            raise invalid(name, "true or false")
    values = {name: _ids(body, name, parameters.limits.get(name, MAX_IDS)) for name in parameters.ids if name in given}
    values |= {name: _texts(body, name) for name in parameters.texts if name in given}
    values |= {
        name: _of_enumeration(name, _texts(body, name), allowed)
        for name, allowed in parameters.lists.items()
        if name in given
    }
    for name, allowed in parameters.choices.items():
        if name in given:
            values[name] = _of_enumeration(name, frozenset([_required_text(body, name)]), allowed)
    intervals = {name: _interval(body, name) for name in parameters.intervals if name in given}
    return Query(_limitation(body), values, intervals)


def _required_text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise invalid(name)
    return value


def _texts(body: Mapping[str, Any], name: str, limit: int = MAX_IDS) -> frozenset[str]:
    values = body[name]
    if not isinstance(values, list) or not 1 <= len(values) <= limit:
        raise invalid(name, f"1 to {limit} items")
    if not all(isinstance(value, str) for value in values):
        raise invalid(name, "items are strings")
    return frozenset(values)


def _ids(body: Mapping[str, Any], name: str, limit: int) -> frozenset[str]:
    values = _texts(body, name, limit)
    if not all(map(_ID_FORM.fullmatch, values)):
        raise invalid(name, "items are UUIDs")
    return frozenset(map(str.lower, values))


def _of_enumeration(name: str, values: frozenset[str], allowed: tuple[str, ...]) -> frozenset[str]:
    if not values <= set(allowed):
        raise invalid(name)
    return values


def _interval(body: Mapping[str, Any], name: str) -> Interval:
    value = body[name]
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
        return Limitation(count)
    if not isinstance(cursor, str) or not _ID_FORM.fullmatch(cursor):
        raise invalid("Limitation.Cursor")
    return Limitation(count, cursor.lower())
