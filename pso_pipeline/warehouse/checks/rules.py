"""The rules that landed orders and marts must keep, and when what they found is too much.

Add a rule here and its statement beside this module, named like the rule: it makes the temporary table `counted` with
one row for each hotel (enterprise_id, checked, violations, detail). What is done about a broken one stands in `checks`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pso_pipeline.contract.enums import ACCOUNT_TYPES, CANCELED, COMMANDER_ORIGINS, ORIGINS, STATES

TOLERATED_SHARE = 0.05
"""Share of a hotel's orders up to which an oddity counts as the source's own and is passed on with a warning."""

TOLERATED_ORDERS = 10
"""Orders of a hotel up to which an oddity is passed on with a warning, whatever their share."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must hold of each hotel's orders.

    A `strict` rule admits no exception. One that `warns` never holds anything up. Any other one warns of a few orders
    and is broken by many: odd records occur in every source, and many in one hotel mean that something is misread.
    `description` is for people; its first sentence says what holds.
    """

    name: str
    description: str
    strict: bool = False
    warns: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def is_broken_by(self, checked: int, violations: int) -> bool:
        """Tell whether what was found in one hotel must not reach BI."""
        if self.warns:
            return False
        if self.strict:
            return violations > 0
        return violations > TOLERATED_ORDERS and violations > TOLERATED_SHARE * checked


LANDED_RULES = (
    Rule(
        "ids_are_unique",
        "Every order is stored once. An order that is there twice would be counted twice.",
        strict=True,
    ),
    Rule(
        "services_and_hotels_are_known",
        "Every order belongs to a service and a hotel that the API lists. Others would be missing from every figure.",
        strict=True,
    ),
    Rule(
        "dates_are_in_order",
        "Every order was created, then canceled if it was, then updated last; none of it lies in the future. A few "
        f"orders are a warning; more than {TOLERATED_ORDERS} and {TOLERATED_SHARE:.0%} of a hotel's are an error.",
    ),
    Rule(
        "canceled_orders_are_dated",
        "Every canceled order tells when it was canceled. Without that it counts as canceled and in no cancellation "
        f"rate by age. A few are a warning; more than {TOLERATED_ORDERS} and {TOLERATED_SHARE:.0%} of a hotel's "
        "canceled orders are an error.",
        parameters={"canceled": CANCELED},
    ),
    Rule(
        "values_and_fields_are_documented",
        "States, origins, account types and fields are those of the API's documentation. New ones are kept as they "
        "come; an order in a new state counts as created and in no other figure.",
        warns=True,
        parameters={
            "states": list(STATES),
            "origins": list(ORIGINS),
            "commander_origins": list(COMMANDER_ORIGINS),
            "account_types": list(ACCOUNT_TYPES),
        },
    ),
)
"""What must hold of `mews.product_service_orders`."""

DERIVED_RULES = (
    Rule(
        "metrics_add_up",
        "The metrics add up to the orders they are made from. Counts by day, by state and by age are compared with the "
        "facts, and the facts with the landed orders.",
        strict=True,
    ),
)
"""What must hold of the marts."""
