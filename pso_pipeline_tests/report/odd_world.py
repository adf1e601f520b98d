"""A generated world that is hard to show truthfully: hostile names, hotels in every status, cohorts made to fall.

Hotels 0 and 1 have names that differ only in what a page cuts off; hotel 5 is held back, hotel 6 has cohorts of which
only the oldest orders are canceled, hotel 7 has a service that was never read, hotel 8 is no longer read and hotel 9
neither, with a last month that never grows old.
"""

from datetime import timedelta
from typing import Any

from pso_pipeline_tests.marts.world import AS_OF, World, generate

HOSTILE = (
    "</script><script>window.pwned = 'script'</script>",
    "<img src=x onerror=\"window.pwned = 'img'\">",
    "\u202egnp.kcabkcehc\u202c \u200b\u0007\x1b[31mred\x1b[0m {{ 7 * 7 }} ${window.pwned = 1} [a](javascript:alert(1))",
    "'\"><svg onload=\"window.pwned = 'svg'\"> & <b>Sons</b>",
)
LONG = "Grand Hôtel de la très longue Promenade " * 125
HELD_BACK, FALLING, NEVER_READ, NO_LONGER_READ = "hotel 5", "hotel 6", "hotel 7", ("hotel 8", "hotel 9")
REASON = f"12 orders {HOSTILE[1]} {HOSTILE[0]}"


def odd_world(orders: int = 5000) -> World:
    """Make that world; nothing in it is held back before it is published."""
    world = generate(seed=23, orders=orders)
    names = [LONG + "east", LONG + "west", *HOSTILE]
    for hotel, name in zip(world.enterprises, names, strict=False):
        hotel["name"] = name
    for service, name in zip(world.services, [LONG, *HOSTILE], strict=False):
        service["name"] = name
    for hotel in world.enterprises:
        hotel["partition_key"] = hotel["id"].replace(" ", "-")
        hotel["is_in_scope"] = hotel["id"] not in NO_LONGER_READ
    world.services = [service for service in world.services if not service["id"].endswith("unread")]
    world.sync_state = [state for state in world.sync_state if not state["service_id"].endswith("unread")]
    for state in world.sync_state:
        if state["service_id"] == f"{NEVER_READ} spa":
            state["watermark_utc"] = None
        if state["enterprise_id"] in NO_LONGER_READ:
            state["watermark_utc"] = AS_OF - timedelta(days=200)
    known = {service["id"] for service in world.services}
    world.product_service_orders = [order for order in world.product_service_orders if order["service_id"] in known]
    for place, order in enumerate(world.product_service_orders):
        _make_odd(order, place)
    world.superseded_product_service_orders = []
    return world


def _make_odd(order: dict[str, Any], place: int) -> None:
    order["origin"] = [*HOSTILE, LONG, "Distributor", None][place % 7]
    order["account_type"] = [HOSTILE[0], LONG, "Customer"][place % 3]
    if order["state"] == "Odd":
        order["state"] = HOSTILE[place % 4]
    if order["enterprise_id"] in NO_LONGER_READ:
        order["created_utc"] = min(order["created_utc"], AS_OF - timedelta(days=200, hours=place % 99))
    if order["enterprise_id"] == FALLING:
        _make_fall(order)


def _make_fall(order: dict[str, Any]) -> None:
    """Cancel only the young orders of a month, and those early: the older an order is, the likelier it was kept."""
    created = order["created_utc"]
    order["state"] = "Canceled" if created.day > 15 else "Processed"
    order["cancelled_utc"] = created + timedelta(minutes=5) if created.day > 15 else None
