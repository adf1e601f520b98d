"""A generated world of hotels, orders and items, full of the edges that the marts must get right; rows, no files.

Times gather where it hurts: local midnights, days on which clocks change, maturity to the second, the hour around a
cancellation. Nothing here knows how the marts are made.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

AS_OF = datetime(2024, 7, 1, 9, 30)  # noqa: DTZ001  landed times are naive UTC

ZONES = (
    "Europe/London",
    "America/New_York",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Pacific/Kiritimati",
    "UTC",
    None,
    "Middle-earth/Shire",
)
STATES = ("Inquired", "Optional", "Requested", "Confirmed", "Started", "Processed", "Canceled", "Canceled", "Odd", None)
ORIGINS = ("Distributor", "Commander", "Connector", None)
ACCOUNT_TYPES = ("Customer", "Company", None)
CURRENCIES = ("EUR", "GBP", "JPY")
ITEM_TYPES = (*["ProductOrder"] * 12, "CustomItem", "ServiceCharge", "ProductOrderRebate", "CityTax", "Teleport", None)
ACCOUNTING_STATES = (*["Open"] * 4, *["Closed"] * 3, *["Canceled"] * 3, "Inactive", "Odd", None)
HOTEL_OF_FEW_ITEMS = "hotel 5"


@dataclass
class World:
    """The landed rows, by table, each as a dictionary."""

    enterprises: list[dict[str, Any]] = field(default_factory=list)
    services: list[dict[str, Any]] = field(default_factory=list)
    sync_state: list[dict[str, Any]] = field(default_factory=list)
    product_service_orders: list[dict[str, Any]] = field(default_factory=list)
    superseded_product_service_orders: list[dict[str, Any]] = field(default_factory=list)
    order_items: list[dict[str, Any]] = field(default_factory=list)
    products: list[dict[str, Any]] = field(default_factory=list)
    all_companions_environments: tuple[str, ...] = ()

    @property
    def landed(self) -> dict[str, list[dict[str, Any]]]:
        """The rows of each table."""
        return {name: rows for name, rows in vars(self).items() if name != "all_companions_environments"}


def generate(seed: int, orders: int) -> World:
    """Make a world of about that many orders; the same seed makes the same world."""
    chance = random.Random(seed)
    world = World(all_companions_environments=("ALL",))
    for number, zone in enumerate(ZONES):
        hotel = f"hotel {number}"
        world.enterprises.append(
            {
                "id": hotel,
                "name": hotel.title(),
                "time_zone_identifier": zone,
                "is_in_scope": True,
                "extra": f'{{"AccommodationEnvironmentCode": "{chance.choice(["ALL", "ANY"])}"}}',
            }
        )
        unread = [f"{hotel} unread"] if zone == "Asia/Kathmandu" else []
        for service in (f"{hotel} spa", f"{hotel} bar", *unread):
            watermark = AS_OF + timedelta(seconds=chance.choice([0, 0, 1, 3600, 90000]))
            world.services.append({"id": service, "enterprise_id": hotel, "name": service, "kind": "Additional"})
            world.sync_state.append(
                {
                    "service_id": service,
                    "enterprise_id": hotel,
                    "watermark_utc": None if service.endswith("unread") else watermark,
                    "revision": chance.randrange(5),
                }
            )
    for number in range(orders):
        _add_order(world, chance, number)
    _add_items(world, random.Random(seed + 1))
    return world


def _add_order(world: World, chance: random.Random, number: int) -> None:
    service = chance.choice(world.services)
    zone = next(e["time_zone_identifier"] for e in world.enterprises if e["id"] == service["enterprise_id"])
    created = _moment(chance, zone)
    order = {
        "id": f"order {number}",
        "enterprise_id": service["enterprise_id"],
        "service_id": service["id"],
        "account_id": chance.choice([None, "company", f"guest {chance.randrange(300)}"]),
        "account_type": chance.choice(ACCOUNT_TYPES),
        "booker_id": chance.choice([None, None, "booker", "another booker"]),
        "state": chance.choice(STATES),
        "origin": chance.choice(ORIGINS),
        "created_utc": created,
        "cancelled_utc": None,
        "voucher_id": chance.choice([None, "voucher"]),
        "linked_reservation_id": chance.choice([None, None, "reservation", "another reservation"]),
        "is_missing_from_source": chance.choice([None, False, False, False, False, False, True]),
    }
    for mark in ("owner_checked_in", "any_companion_checked_in", "all_companions_checked_in", "connector_check_in"):
        order[mark] = chance.choice([None, False, True])
    if order["state"] == "Canceled" or chance.random() < 0.1:
        order["cancelled_utc"] = _cancellation(chance, created)
        if chance.random() < 0.4 and world.product_service_orders:
            _place_beside(order, chance.choice(world.product_service_orders), chance)
    _add_versions(world, chance, order)


def _place_beside(order: dict[str, Any], other: dict[str, Any], chance: random.Random) -> None:
    """Cancel the order about an hour before or after the creation of another one of its account and service."""
    for name in ("enterprise_id", "service_id", "account_id"):
        order[name] = other[name]
    distance = timedelta(hours=chance.choice([-1, 0, 1]), seconds=chance.choice([-1, 0, 1]))
    order["cancelled_utc"] = other["created_utc"] + distance


def _moment(chance: random.Random, zone: str | None) -> datetime:
    """A creation: around a local midnight, a change of clocks, a maturity boundary, or any time of three years."""
    kind = chance.randrange(4)
    jitter = timedelta(seconds=chance.choice([-1, 0, 1]))
    if kind == 0:
        local = AS_OF.replace(tzinfo=ZoneInfo("UTC")).astimezone(_zone(zone))
        midnight = local.replace(hour=0, minute=0, second=0).astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
        return midnight - timedelta(days=chance.choice([0, 1, 7, 30, 31, 60, 90, 364, 365, 366])) + jitter
    if kind == 1 and zone not in {None, "Middle-earth/Shire"}:
        midnight = datetime(2024, chance.randrange(1, 7), chance.randrange(1, 29), tzinfo=ZoneInfo(zone))
        return midnight.astimezone(ZoneInfo("UTC")).replace(tzinfo=None) + jitter
    if kind == 2:
        month, day = chance.choice([(3, 10), (3, 31), (4, 6), (4, 7), (10, 6), (10, 27), (11, 3)])
        midnight = datetime(2023, month, day)  # noqa: DTZ001  # landed times are naive UTC
        return midnight + timedelta(minutes=chance.randrange(0, 2 * 24 * 60, 15)) + jitter
    return AS_OF - timedelta(seconds=chance.randrange(3 * 365 * 86400))


def _zone(name: str | None) -> ZoneInfo:
    return ZoneInfo("UTC" if name in {None, "Middle-earth/Shire"} else name)


def _cancellation(chance: random.Random, created: datetime) -> datetime | None:
    """A cancellation: missing, quick, on a boundary, or any time later."""
    jitter = timedelta(seconds=chance.choice([-1, 0, 1]))
    kind = chance.randrange(5)
    if kind == 0:
        return None
    if kind == 1:
        return created + timedelta(hours=chance.choice([0, 1])) + jitter
    if kind == 2:
        return created + timedelta(days=chance.choice([1, 7, 30, 90, 365])) + jitter
    return created + timedelta(seconds=chance.randrange(400 * 86400))


def _add_versions(world: World, chance: random.Random, order: dict[str, Any]) -> None:
    """Land the order's current version, and up to three that it went through before."""
    updated = order["created_utc"]
    observed = updated + timedelta(hours=chance.randrange(48))
    for _ in range(chance.choice([0, 0, 1, 2, 3])):
        earlier = {**order, "state": chance.choice(STATES), "updated_utc": updated, "is_missing_from_source": False}
        world.superseded_product_service_orders.append({**earlier, "fetched_utc": observed, "observed_utc": observed})
        updated += timedelta(seconds=chance.choice([0, 1, 86400]))
        observed += timedelta(seconds=chance.choice([1, 3600, 86400]))
    world.product_service_orders.append({**order, "updated_utc": updated, "fetched_utc": observed})


def _add_items(world: World, chance: random.Random) -> None:
    """Give orders up to three items, and reservations some.

    One hotel's items were never read to their end, another's not at all.
    """
    for hotel in world.enterprises:
        rooms = f"{hotel['id']} rooms"
        world.services.append({"id": rooms, "enterprise_id": hotel["id"], "name": rooms, "kind": "Bookable"})
        if hotel["time_zone_identifier"] != "Pacific/Kiritimati":
            is_read = hotel["time_zone_identifier"] != "Asia/Kathmandu"
            watermark = AS_OF + timedelta(seconds=chance.choice([0, 1, 90000])) if is_read else None
            progress = {"endpoint": "order_items", "service_id": hotel["id"], "enterprise_id": hotel["id"]}
            world.sync_state.append({**progress, "watermark_utc": watermark, "revision": 1})
    for service in world.services:
        for name, classes in (("breakfast", '{"Food": true, "Beverage": true}'), ("massage", '{"Food": false}')):
            product = {"id": f"{service['id']} {name}", "name": name.title(), "classifications": classes}
            placed = {"enterprise_id": service["enterprise_id"], "service_id": service["id"]}
            world.products.append({**product, **placed, "is_active": True, "updated_utc": AS_OF})
    for order in world.product_service_orders:
        if order["enterprise_id"] == HOTEL_OF_FEW_ITEMS and chance.random() < 0.88:
            continue
        for _ in range(chance.choice([0, 1, 1, 2, 3])):
            _add_item(world, chance, order["enterprise_id"], order["service_id"], order["id"])
    for hotel in world.enterprises:
        for number in range(5 if hotel["id"] == HOTEL_OF_FEW_ITEMS else 30):
            sold, reserved = chance.choice([("rooms", f"reservation {number}"), ("rooms", None), ("spa", "gone")])
            _add_item(world, chance, hotel["id"], f"{hotel['id']} {sold}", reserved)


def _add_item(world: World, chance: random.Random, hotel: str, service: str, order: str | None) -> None:
    zone = next(each["time_zone_identifier"] for each in world.enterprises if each["id"] == hotel)
    consumed = _consumption(chance, zone)
    created = consumed - timedelta(
        days=chance.choice([0, 1, 7, 30, chance.randrange(60)]), seconds=chance.randrange(90000)
    )
    kind = chance.choice(ITEM_TYPES)
    state = chance.choice(ACCOUNTING_STATES)
    gross = Decimal(chance.randrange(1, 3_000_000)).scaleb(-chance.choice([2, 2, 4]))
    if state == "Canceled" and chance.random() < 0.2:
        kind = "CancellationFee"
    if kind == "ProductOrderRebate" or chance.random() < 0.03:
        gross = -gross
    product = chance.choice([f"{service} breakfast", f"{service} massage", None])
    is_rebate = kind == "ProductOrderRebate" or chance.random() < 0.01
    world.order_items.append(
        {
            "id": f"item {len(world.order_items)}",
            "enterprise_id": hotel,
            "service_id": service,
            "service_order_id": order,
            "type": kind,
            "data_kind": "Rebate" if is_rebate else "Product",
            "product_id": None if is_rebate else product,
            "rebate_product_id": product if is_rebate else None,
            "unit_count": chance.choice([1, 1, 2, 4]),
            "currency": chance.choice(CURRENCIES if chance.random() < 0.1 else CURRENCIES[:1]),
            "gross_value": gross,
            "net_value": (gross / Decimal("1.07")).quantize(Decimal("0.0001")),
            "accounting_state": state if kind != "CancellationFee" else "Closed",
            "created_utc": created,
            "updated_utc": created,
            "consumed_utc": consumed if chance.random() < 0.98 else None,
            "canceled_utc": _item_cancellation(chance, created, consumed) if state == "Canceled" else None,
            "notes": "a word about a guest",
            "account_id": "a guest",
            "is_missing_from_source": chance.choice([None, *[False] * 30, True]),
            "fetched_utc": created,
        }
    )


def _consumption(chance: random.Random, zone: str | None) -> datetime:
    """In the year before, in the weeks ahead, around the hotel's last midnight, or wherever an order can be."""
    kind = chance.randrange(8)
    if kind == 0:
        return _moment(chance, zone)
    if kind == 1:
        local = AS_OF.replace(tzinfo=ZoneInfo("UTC")).astimezone(_zone(zone))
        midnight = local.replace(hour=0, minute=0, second=0).astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
        days = chance.choice([-366, -365, -1, 0, 1, 2, 30, 31])
        return midnight + timedelta(days=days, seconds=chance.choice([-1, 0, 1]))
    if kind < 4:
        return AS_OF + timedelta(seconds=chance.randrange(-86400, 34 * 86400))
    return AS_OF - timedelta(seconds=chance.randrange(370 * 86400))


def _item_cancellation(chance: random.Random, created: datetime, consumed: datetime) -> datetime | None:
    """Any time until the consumption, on a boundary of a day before it, after it, or missing."""
    kind = chance.randrange(6)
    if kind == 0:
        return None
    if kind == 1:
        return consumed + timedelta(days=chance.choice([-30, -2, -1, 0, 1]))
    if kind == 2:
        return consumed + timedelta(days=3)
    return created + (consumed - created) * chance.random()
