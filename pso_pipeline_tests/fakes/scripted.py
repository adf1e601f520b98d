"""A world that a test writes: enterprises, services and orders as plain dicts, changed while they are read.

What a test needs to set a scene and to change it belongs here. Records are sent unchanged, so a scene may have unknown
fields, unknown states, nulls, broken dates or records that are no objects. Faults of the transport are in `faults`, the
specification's own example in `specification`, filters and pages in `paging`.
"""

import copy
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from pso_pipeline.sandbox import times
from pso_pipeline.sandbox.app import Page
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.contract import Operation, Query
from pso_pipeline.sandbox.world import Snapshot
from pso_pipeline_tests.fakes.paging import Entry, Filter, OrderBy, newest_first, page_of

Moment = datetime | str | int
Record = dict[str, Any]

_OPENED = "2020-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class _Hook:
    operation: Operation
    page: int
    change: Callable[[], object]


class ScriptedWorld:
    """Exactly the records a test adds, for any of its threads to change at any time.

    Fields are given by the API's own names (`State="Canceled"`); what is not given gets a plausible value, and ids
    count up from 1 in their first eight digits. A new access token that reaches everything is in `access_token`.

    Args:
        clock: The server's clock; the machine's time unless given.
        order_by: Which time the pages follow.
    """

    def __init__(self, *, clock: Clock | None = None, order_by: OrderBy | str = OrderBy.UPDATED) -> None:
        self._clock = clock or Clock()
        self._order_by = OrderBy(order_by)
        self.client_token = uuid.uuid4().hex.upper()
        self.access_token = uuid.uuid4().hex.upper()
        self._granted: dict[str, frozenset[str] | None] = {self.access_token: None}
        self._entries: dict[Operation, dict[str, Entry]] = {operation: {} for operation in Operation}
        self._refused_services: set[str] = set()
        self._other_ids: set[str] = set()
        self._hooks: list[_Hook] = []
        self._pages: Counter[Operation] = Counter()
        self._made = 0
        self._lock = threading.RLock()

    @property
    def clock(self) -> Clock:
        """The server's clock."""
        return self._clock

    def grant(self, access_token: str, enterprises: Iterable[Record | str] | None = None) -> None:
        """Let a token reach these enterprises and no others; None is every enterprise there is or will be."""
        with self._lock:
            reached = None if enterprises is None else frozenset(map(_id_of, enterprises))
            self._granted[access_token] = reached

    def revoke(self, access_token: str) -> None:
        """Answer 401 to this token from now on."""
        with self._lock:
            self._granted.pop(access_token)

    def add_enterprise(self, *, visible_from: Moment | None = None, **fields: Any) -> Record:
        """Add an enterprise; returns the record as it will be sent."""
        record = {
            "Id": self._new_id(1),
            "ExternalIdentifier": None,
            "ChainId": "00000001-0000-4000-8000-00000000000c",
            "ChainName": "Scripted Hotels",
            "Name": "Scripted Hotel",
            "TimeZoneIdentifier": "Europe/Prague",
            "CreatedUtc": _OPENED,
            "UpdatedUtc": _OPENED,
            "LinkedUtc": _OPENED,
            "DefaultLanguageCode": "en-US",
            "LegalEnvironmentCode": "CZ",
            "Address": {"CountryCode": "CZ", "City": "Praha"},
        } | fields
        return self._add(Operation.ENTERPRISES, record, record["Id"], None, visible_from)

    def add_service(
        self,
        enterprise: Record | str,
        *,
        kind: str = "Additional",
        visible_from: Moment | None = None,
        **fields: Any,
    ) -> Record:
        """Add a service of an enterprise; returns the record as it will be sent."""
        record = {
            "Id": self._new_id(2),
            "EnterpriseId": _id_of(enterprise),
            "Name": "Breakfast",
            "IsActive": True,
            "CreatedUtc": _OPENED,
            "UpdatedUtc": _OPENED,
            "ExternalIdentifier": None,
            "Options": {"BillAsPackage": False},
            "Data": {"Discriminator": kind, "Value": {}},
        } | fields
        return self._add(Operation.SERVICES, record, _id_of(enterprise), None, visible_from)

    def add_order(
        self,
        service: Record | str,
        *,
        at: Moment | None = None,
        visible_from: Moment | None = None,
        **fields: Any,
    ) -> Record:
        """Add an order of a service; returns the record as it will be sent.

        Args:
            service: The service or its id.
            at: The time of the order, for one whose own dates do not say it.
            visible_from: Left out of every answer until then.
            fields: Fields of the record. `CreatedUtc` is now unless given, `UpdatedUtc` follows it, and `CancelledUtc`
                follows that where the state is Canceled.
        """
        created = fields.get("CreatedUtc", times.text(self._clock.now()))
        updated = fields.get("UpdatedUtc", created)
        order_id = fields.get("Id") or self._new_id(3)
        record = {
            "Id": order_id,
            "ServiceId": _id_of(service),
            "AccountId": self._new_id(4),
            "AccountType": "Customer",
            "CreatorProfileId": "00000001-0000-4000-8000-00000000000d",
            "UpdaterProfileId": "00000001-0000-4000-8000-00000000000d",
            "BookerId": None,
            "Number": str(self._made),
            "State": "Confirmed",
            "Origin": "Distributor",
            "CommanderOrigin": None,
            "OriginDetails": None,
            "CreatedUtc": created,
            "UpdatedUtc": updated,
            "CancelledUtc": updated if fields.get("State") == "Canceled" else None,
            "VoucherId": None,
            "BusinessSegmentId": None,
            "LinkedReservationId": None,
            "Options": {
                "OwnerCheckedIn": False,
                "AllCompanionsCheckedIn": False,
                "AnyCompanionCheckedIn": False,
                "ConnectorCheckIn": False,
            },
        } | fields
        return self._add(Operation.ORDERS, record, _id_of(service), at, visible_from)

    def add_item(
        self, order: Record, *, at: Moment | None = None, visible_from: Moment | None = None, **fields: Any
    ) -> Record:
        """Add an item of an order; returns the record as it will be sent. The parameters are those of `add_order`."""
        created = fields.get("CreatedUtc", times.text(self._clock.now()))
        amount = {"Currency": "EUR", "NetValue": 9.35, "GrossValue": 10, "TaxValues": [{"Code": "A", "Value": 0.65}]}
        _, service = self._find(order["ServiceId"].lower())
        record = {
            "Id": fields.get("Id") or self._new_id(5),
            "EnterpriseId": service.parent_id,
            "ServiceId": order["ServiceId"],
            "ServiceOrderId": order["Id"],
            "AccountId": order.get("AccountId"),
            "AccountType": "Customer",
            "BillId": None,
            "AccountingCategoryId": None,
            "Notes": None,
            "BillingName": None,
            "ExternalIdentifier": None,
            "UnitCount": 1,
            "UnitAmount": amount,
            "Amount": amount,
            "OriginalAmount": amount,
            "RevenueType": "Product",
            "CreatorProfileId": "00000001-0000-4000-8000-00000000000d",
            "UpdaterProfileId": "00000001-0000-4000-8000-00000000000d",
            "CreatedUtc": created,
            "UpdatedUtc": fields.get("UpdatedUtc", created),
            "ConsumedUtc": created,
            "CanceledUtc": None,
            "ClosedUtc": None,
            "StartUtc": None,
            "ClaimedUtc": None,
            "AccountingState": "Open",
            "Type": "ProductOrder",
            "Options": {"CanceledWithReservation": False},
            "Data": None,
            "TaxExemptionReason": None,
            "TaxExemptionLegalReference": None,
        } | fields
        return self._add(Operation.ORDER_ITEMS, record, service.parent_id, at, visible_from)

    def add_product(self, service: Record | str, **fields: Any) -> Record:
        """Add a product of a service; returns the record as it will be sent."""
        record = {
            "Id": self._new_id(6),
            "ServiceId": _id_of(service),
            "IsActive": True,
            "Names": {"en-US": "Breakfast"},
            "Classifications": {"Food": True, "Beverage": False},
            "ChargingMode": "Once",
            "ConsumptionMoment": "Morning",
            "CategoryId": None,
            "Price": {"Currency": "EUR", "NetValue": 9.35, "GrossValue": 10},
            "CreatedUtc": _OPENED,
            "UpdatedUtc": _OPENED,
        } | fields
        return self._add(Operation.PRODUCTS, record, _id_of(service), None, None)

    def add_all(self, snapshot: Snapshot) -> None:
        """Add everything that another world has at one moment."""
        for enterprise in snapshot.enterprises:
            self.add_enterprise(**enterprise)
        for service in snapshot.services:
            self.add_service(service["EnterpriseId"], **service)
        for order in snapshot.orders:
            self.add_order(order["ServiceId"], **order)
        for item in snapshot.items:
            self.add_item(item, **item)
        for product in snapshot.products:
            self.add_product(product["ServiceId"], **product)

    def add_malformed_order(self, service: Record | str, record: Any, *, at: Moment) -> None:
        """Send any value among the orders of a service; `at` is its place in time."""
        with self._lock:
            order_id = self._new_id(3)
            moment = times.seconds(at)
            self._entries[Operation.ORDERS][order_id] = Entry(record, order_id, _id_of(service), moment, moment)

    def change(self, record: Record | str, *, at: Moment | None = None, **fields: Any) -> Record:
        """Change fields of an enterprise, service or order; `UpdatedUtc` becomes `at`, or now, unless it is given.

        Returns:
            The record as it will be sent from now on; the one passed in stays as it was.
        """
        with self._lock:
            operation, entry = self._find(_id_of(record))
            moment = self._clock.now() if at is None else times.seconds(at)
            changed = entry.record | {"UpdatedUtc": times.text(moment)} | fields
            updated = _moment_or(changed["UpdatedUtc"], moment)
            self._entries[operation][entry.id] = replace(entry, record=changed, updated=updated)
            return copy.deepcopy(changed)

    def remove(self, record: Record | str) -> None:
        """Let an enterprise, service or order vanish without a trace."""
        with self._lock:
            operation, entry = self._find(_id_of(record))
            del self._entries[operation][entry.id]

    def refuse_service(self, service: Record | str) -> None:
        """Answer 400 to every request for orders that names this service."""
        with self._lock:
            self._refused_services.add(_id_of(service))

    def know(self, *ids: str) -> None:
        """Let ids of accounts or reservations without orders exist, so that a filter may name them."""
        with self._lock:
            self._other_ids.update(ids)

    def after_page(
        self, page: int, change: Callable[[], object], *, operation: Operation | str = Operation.ORDERS
    ) -> None:
        """Make a change once so many pages of an operation, counted from now, have been read."""
        with self._lock:
            wanted = Operation(operation)
            self._hooks.append(_Hook(wanted, self._pages[wanted] + page, change))

    def scope(self, client_token: str, access_token: str) -> frozenset[str] | None:
        """Ids of the enterprises that the tokens reach; None where the tokens are refused."""
        with self._lock:
            if client_token != self.client_token or access_token not in self._granted:
                return None
            existing = frozenset(self._entries[Operation.ENTERPRISES])
            granted = self._granted[access_token]
            return existing if granted is None else existing & granted

    def page(self, operation: Operation, scope: frozenset[str], query: Query, now: int) -> Page:
        """A page of one collection."""
        with self._lock:
            match operation:
                case Operation.ENTERPRISES:
                    entries = self._visible(operation, scope, now)
                    filters = {
                        "EnterpriseIds": Filter(attrgetter("id"), known={one.id for one in entries}),
                        "ExternalIdentifiers": Filter(lambda one: one.field("ExternalIdentifier")),
                    }
                case Operation.SERVICES:
                    entries = self._visible(operation, scope, now)
                    filters = {
                        "EnterpriseIds": Filter(attrgetter("parent_id"), known=scope),
                        "ServiceIds": Filter(attrgetter("id"), known={one.id for one in entries}),
                        "ServiceType": Filter(_kind),
                    }
                case Operation.ORDERS:
                    enterprise_of = {one.id: one.parent_id for one in self._visible(Operation.SERVICES, scope, now)}
                    entries = self._visible(operation, frozenset(enterprise_of), now)
                    filters = self._order_filters(entries, scope, enterprise_of)
                case Operation.ORDER_ITEMS:
                    entries = self._visible(operation, scope, now)
                    filters = {
                        "EnterpriseIds": Filter(attrgetter("parent_id"), known=scope),
                        "OrderItemIds": Filter(attrgetter("id"), known={one.id for one in entries}),
                        "ServiceIds": _by_id(
                            "ServiceId", {one.id for one in self._visible(Operation.SERVICES, scope, now)}
                        ),
                        "ServiceOrderIds": _by_id("ServiceOrderId"),
                        "BillIds": _by_id("BillId"),
                        "AccountIds": _by_id("AccountId"),
                        "AccountingStates": Filter(lambda one: one.field("AccountingState")),
                        "Types": Filter(lambda one: one.field("Type")),
                    }
                case Operation.PRODUCTS:
                    enterprise_of = {one.id: one.parent_id for one in self._visible(Operation.SERVICES, scope, now)}
                    entries = self._visible(operation, frozenset(enterprise_of), now)
                    filters = {
                        "ServiceIds": Filter(attrgetter("parent_id"), known=enterprise_of.keys()),
                        "EnterpriseIds": Filter(lambda one: enterprise_of[one.parent_id], known=scope),
                        "ProductIds": Filter(attrgetter("id"), known={one.id for one in entries}),
                    }
            page = page_of(entries, query, filters)
            self._turn_page(operation)
            return page

    def _order_filters(
        self, entries: Sequence[Entry], scope: frozenset[str], enterprise_of: Mapping[str, str]
    ) -> dict[str, Filter]:
        def by_field(name: str) -> Filter:
            return Filter(
                lambda one: one.field(name), self._other_ids.union(filter(None, (one.field(name) for one in entries)))
            )

        return {
            "ServiceIds": Filter(attrgetter("parent_id"), known=enterprise_of.keys() - self._refused_services),
            "EnterpriseIds": Filter(lambda one: enterprise_of[one.parent_id], known=scope),
            "ProductServiceOrderIds": Filter(attrgetter("id"), known={one.id for one in entries}),
            "AccountIds": by_field("AccountId"),
            "LinkedReservationIds": by_field("LinkedReservationId"),
            "States": Filter(lambda one: one.field("State")),
        }

    def snapshot(self, at: Moment, *, with_items: bool = True) -> Snapshot:
        """Everything in this world now, without what becomes visible only after the moment given."""
        assert with_items, "it always has them"
        moment = times.seconds(at)
        with self._lock:
            everywhere = frozenset(self._entries[Operation.ENTERPRISES])
            services = self._visible(Operation.SERVICES, everywhere, moment)
            return Snapshot(
                moment,
                _records(self._visible(Operation.ENTERPRISES, everywhere, moment)),
                _records(services),
                *(
                    _records(self._visible(each, frozenset(one.id for one in parents), moment))
                    for each, parents in (
                        (Operation.ORDERS, services),
                        (Operation.ORDER_ITEMS, self._visible(Operation.ENTERPRISES, everywhere, moment)),
                        (Operation.PRODUCTS, services),
                    )
                ),
            )

    def _add(
        self,
        operation: Operation,
        record: Record,
        parent_id: str,
        at: Moment | None,
        visible_from: Moment | None,
    ) -> Record:
        with self._lock:
            moment = self._clock.now() if at is None else times.seconds(at)
            entry = Entry(
                record=copy.deepcopy(record),
                id=record["Id"].lower(),
                parent_id=parent_id.lower(),
                created=_moment_or(record["CreatedUtc"], moment),
                updated=_moment_or(record["UpdatedUtc"], moment),
                visible_from=None if visible_from is None else times.seconds(visible_from),
            )
            if entry.id in self._entries[operation]:
                raise ValueError(f"there is a record with the id {entry.id} already")
            self._entries[operation][entry.id] = entry
            return record

    def _find(self, record_id: str) -> tuple[Operation, Entry]:
        for operation, entries in self._entries.items():
            if record_id in entries:
                return operation, entries[record_id]
        raise KeyError(record_id)

    def _visible(self, operation: Operation, parents: frozenset[str], now: int) -> list[Entry]:
        visible = (
            one
            for one in self._entries[operation].values()
            if one.parent_id in parents and (one.visible_from is None or one.visible_from <= now)
        )
        return newest_first(visible, self._order_by)

    def _turn_page(self, operation: Operation) -> None:
        self._pages[operation] += 1
        due = [hook for hook in self._hooks if hook.operation == operation and hook.page == self._pages[operation]]
        for hook in due:
            self._hooks.remove(hook)
            hook.change()

    def new_id(self) -> str:
        """An id of a record that the world does not serve."""
        return self._new_id(7)

    def _new_id(self, kind: int) -> str:
        with self._lock:
            self._made += 1
            return f"{self._made:08x}-0000-4000-8000-{kind:012x}"


def _id_of(record: Record | str) -> str:
    return (record if isinstance(record, str) else str(record["Id"])).lower()


def _by_id(name: str, known: Iterable[str] | None = None) -> Filter:
    return Filter(lambda one: str(one.field(name) or "").lower(), known)


def _kind(one: Entry) -> Any:
    data = one.field("Data")
    return data.get("Discriminator") if isinstance(data, dict) else None


def _records(entries: Iterable[Entry]) -> list[Any]:
    return [copy.deepcopy(one.record) for one in entries]


def _moment_or(text: Any, otherwise: int) -> int:
    try:
        return times.parse(text)
    except (TypeError, ValueError):
        return otherwise
