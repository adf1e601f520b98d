"""The rules that landed orders and marts must keep, and which of them hold a hotel back from publication.

Add a rule here and its statement beside this module, named like the rule: it makes the temporary table `counted` with
one row for each hotel (enterprise_id, checked, violations, detail). A rule `blocks` only where a violation means that
the pipeline itself has made the hotel's figures wrong. What a source sends, however odd, is a warning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pso_pipeline.contract.enums import ACCOUNT_TYPES, CANCELED, COMMANDER_ORIGINS, ORIGINS, STATES


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must hold of each hotel's orders.

    A hotel that breaks a rule that `blocks` keeps its last published figures; any other rule warns. `description` is
    for people; its first sentence says what holds.
    """

    name: str
    description: str
    blocks: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)


LANDED_RULES = (
    Rule(
        "ids_are_unique",
        "Every order is stored once. An order that is there twice would be counted twice: its hotel is not published "
        "again until it is there once.",
        blocks=True,
    ),
    Rule(
        "services_and_hotels_are_known",
        "Every order belongs to a service and a hotel that the API lists. Others are in no figure until it does.",
    ),
    Rule(
        "dates_are_in_order",
        "Every order was created, then canceled if it was, then updated last; none of it lies in the future. Imported "
        "orders often break this, and are counted as they are.",
    ),
    Rule(
        "canceled_orders_are_dated",
        "Every canceled order has the time of its cancellation. The API may leave it out; without it the order counts "
        "as canceled and in no cancellation rate by age.",
        parameters={"canceled": CANCELED},
    ),
    Rule(
        "values_and_fields_are_documented",
        "States, origins, account types and fields are those of the API's documentation. New ones are kept as they "
        "come; an order in a new state counts as created and in no other figure.",
        parameters={
            "states": list(STATES),
            "origins": list(ORIGINS),
            "commander_origins": list(COMMANDER_ORIGINS),
            "account_types": list(ACCOUNT_TYPES),
        },
    ),
    Rule(
        "time_zones_are_known",
        "Every hotel has a time zone that the IANA database or Windows names. The dates of any other are those of UTC "
        "until Mews has a right one for it.",
    ),
)
"""What must hold of `mews.product_service_orders`."""

DERIVED_RULES = (
    Rule(
        "metrics_add_up",
        "The metrics add up to the orders they are made from. Counts by day, by state and by age are compared with the "
        "facts, and the facts with the landed orders. A hotel whose metrics do not, even when they are computed again "
        "from its landed orders, is not published again until they do.",
        blocks=True,
    ),
)
"""What must hold of the marts."""
