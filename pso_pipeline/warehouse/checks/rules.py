"""The rules that landed records and marts must keep, and which of them hold a hotel back from publication.

Two rules follow from the description of every endpoint that is read scope by scope. Listings have neither: they map
only the fields that are used here, and `repeated_ids.sql` finds their repeated ids.

Add a rule here and its statement next to this module, named like the rule: it makes the temporary table `counted` with
one row for each hotel (enterprise_id, checked, violations, detail). A rule `blocks` only if a violation means that the
pipeline itself computed wrong figures. Whatever the source sends is a warning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pso_pipeline.contract.endpoints import ORDER_ITEMS, PRODUCT_SERVICE_ORDERS, Endpoint
from pso_pipeline.contract.enums import CANCELED, CURRENCIES


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule about the records of an endpoint in each hotel; `records` is what messages call them.

    A hotel that breaks a rule that `blocks` keeps its last published figures. Other rules warn. The first sentence of
    `description` states the rule.
    """

    name: str
    description: str
    blocks: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    endpoint: Endpoint = PRODUCT_SERVICE_ORDERS
    records: str = "orders"

    @property
    def key(self) -> str:
        """The name under which the counts of the rule are kept."""
        return f"{self.endpoint.name}.{self.name}"


def _rules_of(endpoint: Endpoint, records: str) -> tuple[Rule, ...]:
    return (
        Rule(
            "ids_are_unique",
            f"Every {endpoint.record_name} is stored once. One that is stored twice would be counted twice: its hotel "
            "is not published again until it is stored once.",
            blocks=True,
            endpoint=endpoint,
            records=records,
        ),
        Rule(
            "values_and_fields_are_documented",
            "The API's documentation names every value and field that the API sent, and no promised value is missing. "
            "New values and fields are stored unchanged.",
            endpoint=endpoint,
            records=records,
        ),
    )


LANDED_RULES = (
    *_rules_of(PRODUCT_SERVICE_ORDERS, "orders"),
    Rule(
        "services_and_hotels_are_known",
        "Every order belongs to a service and a hotel that the API lists. Others are in no figure until it does.",
    ),
    Rule(
        "dates_are_in_order",
        "Every order was created first, canceled later if at all, and updated last, and not in the future. Imported "
        "orders often break this rule, and are counted as they are.",
    ),
    Rule(
        "canceled_orders_are_dated",
        "Every canceled order has the time of its cancellation. The API may leave it out; the order then counts as "
        "canceled, but not in the cancellation rates by age.",
        parameters={"canceled": CANCELED},
    ),
    Rule(
        "time_zones_are_known",
        "Every hotel has a time zone of the IANA database or of Windows. The dates of any other hotel are in UTC until "
        "Mews has a valid time zone for it.",
    ),
)
"""Rules about `mews.product_service_orders`."""

ITEM_RULES = (
    *_rules_of(ORDER_ITEMS, "order items"),
    Rule(
        "services_and_hotels_are_known",
        "Every order item belongs to a service and a hotel that the API lists.",
        endpoint=ORDER_ITEMS,
        records="order items",
    ),
    Rule(
        "amounts_add_up",
        "The amount of every order item is the amount of one unit times the number of units, except for rounding. "
        "Items are counted with the amount that the API sent.",
        endpoint=ORDER_ITEMS,
        records="order items",
    ),
    Rule(
        "currencies_are_known",
        "Every order item has a currency of ISO 4217. An unknown currency is shown as it is, like any other.",
        parameters={"currencies": list(CURRENCIES)},
        endpoint=ORDER_ITEMS,
        records="order items",
    ),
)
"""Rules about `mews.order_items`."""

DERIVED_RULES = (
    Rule(
        "metrics_add_up",
        "The metrics add up to the orders from which they are computed. Counts by day, state and age are compared "
        "with the facts, and the facts with the landed orders. A hotel whose metrics still do not add up after they "
        "were computed again is not published again until they do.",
        blocks=True,
    ),
    Rule(
        "item_revenue_adds_up",
        "The amounts by day add up to the items from which they are computed. Items, gross and net amounts of each "
        "currency are compared with the facts, the parts of what was ordered with the whole, and the facts with the "
        "landed items. A hotel whose amounts still do not add up after they were computed again is not published "
        "again until they do.",
        blocks=True,
        records="items",
    ),
)
"""Rules about the marts."""


def landed_rules(endpoint: Endpoint) -> tuple[Rule, ...]:
    """Return the rules about the landed records of an endpoint that is read scope by scope."""
    own = {PRODUCT_SERVICE_ORDERS.name: LANDED_RULES, ORDER_ITEMS.name: ITEM_RULES}
    return own.get(endpoint.name) or _rules_of(endpoint, endpoint.name.replace("_", " "))
