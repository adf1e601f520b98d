"""The marts of order items once more, in plain Python with Decimal, straight from the definitions."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pso_pipeline_tests.marts.reference import LocalDates, counted_orders
from pso_pipeline_tests.marts.world import World

Item = dict[str, Any]
SALES = {"ProductOrder", "CustomItem", "ServiceCharge", "SpaceOrder", "Surcharge", "ResourceUpgradeFee"}
REBATES = {"ProductOrderRebate", "AdditionalExpenseRebate", "NightRebate"}
PARTS = ("ordered", "consumed", "booked", "canceled", "rebated", "fee", "other")
LEAST_HISTORY = 30


def items_as_of(world: World) -> dict[str, datetime]:
    """The watermark of the items of each hotel that were read to their end."""
    return {
        progress["service_id"]: progress["watermark_utc"]
        for progress in world.sync_state
        if progress.get("endpoint") == "order_items" and progress["watermark_utc"] is not None
    }


def counted_items(world: World) -> list[Item]:
    """The items of these hotels that the source still has."""
    read = items_as_of(world)
    return [
        item
        for item in world.order_items
        if item["enterprise_id"] in read and item["is_missing_from_source"] is not True
    ]


def kind(item: Item) -> str:
    if item["data_kind"] == "Rebate" or item["type"] in REBATES:
        return "rebate"
    if item["type"] in SALES:
        return "rebate" if item["gross_value"] < 0 else "sale"
    return "cancellation_fee" if item["type"] == "CancellationFee" else "other"


def is_valid(item: Item) -> bool:
    return item["accounting_state"] in {"Open", "Closed"}


def is_canceled(item: Item) -> bool:
    return bool(item["accounting_state"] == "Canceled")


def consumption(item: Item) -> datetime:
    moment: datetime = item["consumed_utc"] or item["created_utc"]
    return moment


def product(item: Item) -> str | None:
    which: str | None = item["product_id"] or item["rebate_product_id"]
    return which


def item_facts(world: World) -> dict[str, dict[str, Any]]:
    """By item id, the columns that are computed rather than copied."""
    local = LocalDates(world)
    orders = {(order["id"], order["enterprise_id"]) for order in counted_orders(world)}
    reserved = {(each["id"], each["enterprise_id"]) for each in world.services if each["kind"] == "Bookable"}
    products = {each["id"]: each for each in world.products}
    rows = {}
    for item in counted_items(world):
        hotel, sold = item["enterprise_id"], products.get(product(item) or "")
        canceled = item["canceled_utc"] if is_canceled(item) else None
        if (item["service_order_id"], hotel) in orders:
            link = "with_order"
        elif item["service_order_id"] and (item["service_id"], hotel) in reserved:
            link = "with_reservation"
        else:
            link = "no_known_order"
        rows[item["id"]] = {
            "service_order_id": item["service_order_id"],
            "product_id": product(item),
            "product_name": sold and sold["name"],
            "item_kind": kind(item),
            "quantity": item["unit_count"],
            "gross_value": item["gross_value"],
            "net_value": item["net_value"],
            "currency": item["currency"],
            "is_canceled": is_canceled(item),
            "is_counted": is_valid(item),
            "is_rebate": kind(item) == "rebate",
            "is_cancellation_fee": kind(item) == "cancellation_fee",
            "consumed_at": consumption(item),
            "consumed_date": local(hotel, consumption(item)),
            "created_date": local(hotel, item["created_utc"]),
            "canceled_at": canceled,
            "canceled_date": canceled and local(hotel, canceled),
            "order_link": link,
        }
    return rows


def order_values(world: World) -> dict[str, dict[str, Any]]:
    """By order id, what its items say of it; orders of hotels without items say nothing."""
    items, read = defaultdict(list), items_as_of(world)
    for item in counted_items(world):
        items[item["service_order_id"], item["enterprise_id"]].append(item)
    rows = {}
    for order in counted_orders(world):
        own = items[order["id"], order["enterprise_id"]]
        worth = [item for item in own if kind(item) != "other"]
        sold = [item for item in own if kind(item) == "sale"]
        currencies = {item["currency"] for item in worth}
        rows[order["id"]] = {
            "gross_value": sum((item["gross_value"] for item in worth if is_valid(item)), Decimal(0))
            if len(currencies) == 1
            else None,
            "currency": currencies.pop() if len(currencies) == 1 else None,
            "consumed_at": max(map(consumption, sold), default=None),
            "quantity": sum(item["unit_count"] for item in sold if is_valid(item)) if own else None,
            "has_items": bool(own) if order["enterprise_id"] in read else None,
        }
    return rows


def item_revenue_daily(world: World) -> dict[tuple[Any, ...], dict[str, Any]]:
    """By enterprise_id, service_id, product_id, currency and date: each sum by its column's name."""
    facts, today = item_facts(world), _today(world)
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for item in counted_items(world):
        fact = facts[item["id"]]
        key = (item["enterprise_id"], item["service_id"], product(item), item["currency"], fact["consumed_date"])
        row = rows.setdefault(key, _nothing())
        row["items"] += 1
        row["items_without_order"] += fact["order_link"] == "no_known_order"
        for part in _parts(item, fact["consumed_date"] < today[item["enterprise_id"]]):
            row[f"{part}_quantity"] += item["unit_count"]
            row[f"{part}_gross_value"] += item["gross_value"]
            row[f"{part}_net_value"] += item["net_value"]
    return rows


def revenue(world: World) -> dict[tuple[str, str, date], Decimal]:
    """By hotel, currency and day: what was consumed, less rebates, with cancellation fees; gross."""
    found: dict[tuple[str, str, date], Decimal] = defaultdict(Decimal)
    facts, today = item_facts(world), _today(world)
    for item in counted_items(world):
        day = facts[item["id"]]["consumed_date"]
        is_ahead = kind(item) == "sale" and day >= today[item["enterprise_id"]]
        if is_valid(item) and kind(item) != "other" and not is_ahead:
            found[item["enterprise_id"], item["currency"], day] += item["gross_value"]
    return {key: value for key, value in found.items() if value}


def consumption_ahead(world: World) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """By hotel, service, product and day: days ahead, booked, expected, whose history, its items, those canceled."""
    facts, today = item_facts(world), _today(world)
    sales: dict[str, list[Item]] = defaultdict(list)
    booked: dict[tuple[Any, ...], int] = defaultdict(int)
    for item in counted_items(world):
        fact, hotel = facts[item["id"]], item["enterprise_id"]
        if kind(item) != "sale":
            continue
        sales[hotel].append({**fact, "service_id": item["service_id"]})
        if is_valid(item) and 1 <= (fact["consumed_date"] - today[hotel]).days <= 30:
            booked[hotel, item["service_id"], product(item), fact["consumed_date"]] += item["unit_count"]
    rows = {}
    for (hotel, service, which, day), quantity in booked.items():
        ahead = (day - today[hotel]).days
        of_service = _history((each for each in sales[hotel] if each["service_id"] == service), today[hotel], ahead)
        of_hotel = _history(sales[hotel], today[hotel], ahead)
        whose, (number, canceled) = ("service", of_service) if of_service[0] >= LEAST_HISTORY else ("hotel", of_hotel)
        rows[hotel, service, which, day] = (
            (ahead, quantity, quantity * (number - canceled) / number, whose, number, canceled)
            if number >= LEAST_HISTORY
            else (ahead, quantity, None, None, None, None)
        )
    return rows


def _history(sales: Iterable[Item], today: date, ahead: int) -> tuple[int, int]:
    """How many were booked and not canceled at the end of the day that many days before their consumption, and how many
    of those were canceled by the day of their consumption."""
    found, canceled = 0, 0
    for sale in sales:
        day = sale["consumed_date"]
        then = day - timedelta(days=ahead)
        if not 1 <= (today - day).days <= 365 or sale["created_date"] > then:
            continue
        if sale["is_canceled"]:
            if sale["canceled_date"] is None or sale["canceled_date"] <= then:
                continue
            canceled += sale["canceled_date"] <= day
        elif not sale["is_counted"]:
            continue
        found += 1
    return found, canceled


def _today(world: World) -> dict[str, date]:
    """The local day of each hotel's items_as_of_utc."""
    local = LocalDates(world)
    return {hotel: local(hotel, moment) for hotel, moment in items_as_of(world).items()}


def _nothing() -> dict[str, Any]:
    row: dict[str, Any] = {"items": 0, "items_without_order": 0}
    for part in PARTS:
        row |= {f"{part}_quantity": 0, f"{part}_gross_value": Decimal(0), f"{part}_net_value": Decimal(0)}
    return row


def _parts(item: Item, is_over: bool) -> list[str]:
    what = kind(item)
    if what == "sale" and is_canceled(item):
        return ["ordered", "canceled"]
    if not is_valid(item) or what == "other":
        return ["other"]
    if what == "sale":
        return ["ordered", "consumed" if is_over else "booked"]
    return ["rebated" if what == "rebate" else "fee"]
