"""What tests of the ingestion do with the records of either incremental endpoint: orders, or items of orders."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pso_pipeline.contract.endpoints import ORDER_ITEMS, PRODUCT_SERVICE_ORDERS
from pso_pipeline.contract.endpoints.endpoint import Endpoint
from pso_pipeline_tests import truth
from pso_pipeline_tests.fakes.scripted import ScriptedWorld


@dataclass
class Orders:
    """Product service orders of a world."""

    world: ScriptedWorld
    endpoint: ClassVar[Endpoint] = PRODUCT_SERVICE_ORDERS
    table: ClassVar[str] = "mews.product_service_orders"
    versions: ClassVar[str] = "mews.product_service_order_versions"
    state: ClassVar[str] = "state"
    states: ClassVar[tuple[str, str]] = ("Confirmed", "Started")

    def add(self, service, **fields):
        return self.world.add_order(service, **fields)

    def start(self, record, **changes):
        return self.world.change(record, State="Started", **changes)

    def cancel(self, record, **changes):
        return self.world.change(record, State="Canceled", **changes)

    def expected(self, snapshot):
        return truth.expected_rows(snapshot.orders, snapshot.services)

    def landed(self, connection):
        return truth.landed_rows(connection)


@dataclass
class Items:
    """Order items of a world, each of an order of its own."""

    world: ScriptedWorld
    endpoint: ClassVar[Endpoint] = ORDER_ITEMS
    table: ClassVar[str] = "mews.order_items"
    versions: ClassVar[str] = "mews.order_item_versions"
    state: ClassVar[str] = "accounting_state"
    states: ClassVar[tuple[str, str]] = ("Open", "Closed")

    def add(self, service, **fields):
        order: dict[str, Any] = {"Id": self.world.new_id(), "ServiceId": service["Id"], "AccountId": None}
        return self.world.add_item(order, **fields)

    def start(self, record, **changes):
        return self.world.change(record, AccountingState="Closed", **changes)

    def cancel(self, record, **changes):
        return self.world.change(record, AccountingState="Canceled", CanceledUtc="2026-03-01T12:00:00Z", **changes)

    def expected(self, snapshot):
        return truth.expected_items(snapshot.items)

    def landed(self, connection):
        return truth.landed_items(connection)


KINDS = {"orders": Orders, "items": Items}
