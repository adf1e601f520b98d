"""The marts once more, in plain Python and straight from the definitions: no SQL, nothing shared with the package.

It is slow and obvious on purpose. Each function takes a `World` and gives the rows that the table must have.
"""

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pso_pipeline_tests.marts.world import World

Order = dict[str, Any]
HOUR = timedelta(hours=1)


def as_of(world: World) -> dict[str, datetime | None]:
    """The earliest watermark of the services of each hotel; none where one of them was never read to its end."""
    return {
        hotel: None if None in watermarks else min(each for each in watermarks if each is not None)
        for hotel, watermarks in _watermarks(world).items()
    }


def last_midnights(world: World) -> dict[str, datetime | None]:
    """The UTC time at which the day of each hotel's earliest watermark began, by its own clock."""
    local, found = LocalDates(world), {}
    for hotel, watermarks in _watermarks(world).items():
        moment = min((each for each in watermarks if each is not None), default=None)
        found[hotel] = moment and _start_of_day(local(hotel, moment), local.zones[hotel])
    return found


def _services(world: World) -> list[dict[str, Any]]:
    """How far orders are read, by service; a world without an endpoint has no other."""
    return [each for each in world.sync_state if each.get("endpoint", "product_service_orders") != "order_items"]


def _watermarks(world: World) -> dict[str, list[datetime | None]]:
    """By hotel, those of its services that orders are made against."""
    bookable = {service["id"] for service in world.services if service["kind"] == "Bookable"}
    found: dict[str, list[datetime | None]] = defaultdict(list)
    for service in _services(world):
        if service["service_id"] not in bookable:
            found[service["enterprise_id"]].append(service["watermark_utc"])
    return found


def _start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first of two midnights where clocks go back over it; where they leave it out, the moment at which they do."""
    both = (datetime(day.year, day.month, day.day, tzinfo=zone, fold=fold) for fold in (0, 1))
    begins = (each.astimezone(UTC) for each in both)
    return min(each for each in begins if each.astimezone(zone).date() == day).replace(tzinfo=None)


def counted_orders(world: World) -> list[Order]:
    """The orders of completely read services that the source still has."""
    read = {service["service_id"] for service in _services(world) if service["watermark_utc"] is not None}
    return [
        order
        for order in world.product_service_orders
        if order["service_id"] in read and order["is_missing_from_source"] is not True
    ]


class LocalDates:
    """The hotel's date of a UTC time; a hotel without a usable zone counts in UTC."""

    def __init__(self, world: World) -> None:
        self.zones = {hotel["id"]: self._zone(hotel["time_zone_identifier"]) for hotel in world.enterprises}

    @staticmethod
    def _zone(name: str | None) -> ZoneInfo:
        try:
            return ZoneInfo(name or "UTC")
        except ZoneInfoNotFoundError:
            return ZoneInfo("UTC")

    def __call__(self, hotel: str, moment: datetime) -> date:
        return moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(self.zones[hotel]).date()


def differences(ours: Mapping[Any, Mapping[str, Any]], expected: Mapping[Any, Mapping[str, Any]]) -> dict[str, str]:
    """By the name of a column, the first row in which two tables differ; a count that is missing is 0."""
    found: dict[str, str] = {}
    for key in [*ours, *(expected.keys() - ours.keys())]:
        if key not in ours or key not in expected:
            found.setdefault("a whole row", f"{key} is only in {'the marts' if key in ours else 'the reference'}")
            continue
        for column in dict.fromkeys([*ours[key], *expected[key]]):
            one, other = (
                row[column] if isinstance(row, Counter) else row.get(column) for row in (ours[key], expected[key])
            )
            if one != other:
                found.setdefault(column, f"{one!r} in the marts, {other!r} in the reference, for {key}")
    return found


def is_firm(order: Order) -> bool:
    return order["state"] in {"Confirmed", "Started", "Processed", "Canceled"}


def is_checked_in(order: Order) -> bool:
    return order["state"] in {"Started", "Processed"}


def is_canceled(order: Order) -> bool:
    return bool(order["state"] == "Canceled")


def is_old(order: Order, age: timedelta, until: datetime | None) -> bool:
    """Whether the order was that old at its hotel's last midnight."""
    return until is not None and bool(order["created_utc"] <= until - age)


def is_unresolved(order: Order, until: datetime | None, consumed: datetime | None) -> bool:
    if order["state"] != "Confirmed" or until is None:
        return False
    return is_old(order, timedelta(days=60), until) if consumed is None else bool(consumed + timedelta(days=1) <= until)


def is_online_checked_in(order: Order, world: World) -> bool:
    """As Mews computes it: all companions where the hotel's environment requires that, elsewhere anybody."""
    hotel = next(hotel for hotel in world.enterprises if hotel["id"] == order["enterprise_id"])
    if json.loads(hotel.get("extra") or "{}").get("AccommodationEnvironmentCode") in world.all_companions_environments:
        return bool(order["all_companions_checked_in"])
    return bool(order["owner_checked_in"] or order["any_companion_checked_in"] or order["all_companions_checked_in"])


def seen_confirmed(history: list[Order]) -> bool:
    return any(version["state"] in {"Confirmed", "Started", "Processed"} for version in history)


def canceled_while_pending(history: list[Order]) -> bool:
    pending = {"Inquired", "Optional", "Requested"}
    return any(
        earlier["state"] in pending and later["state"] == "Canceled" for earlier, later in itertools.pairwise(history)
    )


def canceled_within(order: Order, limit: timedelta) -> bool:
    canceled = order["cancelled_utc"]
    return is_canceled(order) and canceled is not None and bool(canceled - order["created_utc"] <= limit)


def is_active(order: Order) -> bool:
    """Pending, or firm and not canceled: an unknown state says neither."""
    return order["state"] in {"Inquired", "Optional", "Requested", "Confirmed", "Started", "Processed"}


def may_be_of_one_guest(order: Order, other: Order) -> bool:
    """One account may order for many guests: another booker, or another reservation, is another guest."""
    return all(
        order.get(name) is None or other.get(name) is None or order[name] == other[name]
        for name in ("account_id", "booker_id", "linked_reservation_id")
    )


def rebooked_ids(orders: list[Order]) -> set[str]:
    """Each cancellation takes the earliest order that no earlier cancellation took."""
    by_account = defaultdict(list)
    for order in orders:
        if order["account_id"] is not None:
            by_account[order["account_id"], order["service_id"]].append(order)
    rebooked = set()
    for together in by_account.values():
        left = sorted(filter(is_active, together), key=lambda order: (order["created_utc"], order["id"]))
        canceled = [order for order in together if is_canceled(order) and order["cancelled_utc"] is not None]
        for order in sorted(canceled, key=lambda order: (order["cancelled_utc"], order["id"])):
            for other in left:
                close = abs(other["created_utc"] - order["cancelled_utc"]) <= HOUR
                if close and may_be_of_one_guest(order, other):
                    rebooked.add(order["id"])
                    left.remove(other)
                    break
    return rebooked


def facts(world: World, consumed: Mapping[str, datetime | None] | None = None) -> dict[str, dict[str, Any]]:
    """By order id, the columns that are computed rather than copied; `consumed` says when, where items do."""
    orders, local, until = counted_orders(world), LocalDates(world), last_midnights(world)
    rebooked, seen, history = rebooked_ids(orders), first_seen_checked_in(world), histories(world)
    rows = {}
    for order in orders:
        canceled = order["cancelled_utc"] if is_canceled(order) else None
        groups = {"Confirmed": "confirmed", "Started": "checked_in", "Processed": "checked_in", "Canceled": "canceled"}
        is_pending = order["state"] in {"Inquired", "Optional", "Requested"}
        rows[order["id"]] = {
            "state_group": "pending" if is_pending else groups.get(order["state"], "unknown"),
            "canceled_at": canceled,
            "created_date": local(order["enterprise_id"], order["created_utc"]),
            "canceled_date": canceled and local(order["enterprise_id"], canceled),
            "hours_to_cancel": canceled and (canceled - order["created_utc"]).total_seconds() / 3600,
            "first_seen_checked_in_at": seen.get(order["id"]),
            "is_firm": is_firm(order),
            "is_checked_in": is_checked_in(order),
            "is_canceled": is_canceled(order),
            "is_open": is_pending or order["state"] == "Confirmed",
            "is_unresolved": is_unresolved(order, until[order["enterprise_id"]], (consumed or {}).get(order["id"])),
            "is_online_checked_in": is_online_checked_in(order, world),
            "has_voucher": order["voucher_id"] is not None,
            "is_linked": order["linked_reservation_id"] is not None,
            "canceled_after_check_in": is_canceled(order)
            and (order["owner_checked_in"] is True or order["any_companion_checked_in"] is True),
            "is_quick_cancel": canceled_within(order, HOUR),
            "is_rebooked": order["id"] in rebooked,
            "is_canceled_never_seen_confirmed": is_canceled(order) and not seen_confirmed(history[order["id"]]),
            "is_canceled_while_pending": is_canceled(order)
            and not seen_confirmed(history[order["id"]])
            and canceled_while_pending(history[order["id"]]),
        }
    return rows


def histories(world: World) -> dict[str, list[Order]]:
    """The versions of each counted order, in the order of their update, of their observation, then of their state.

    Nothing says which of two came first that were updated and observed at the same time.
    """
    versions = defaultdict(list)
    hotels = {order["id"]: order["enterprise_id"] for order in world.product_service_orders}
    for version in world.superseded_product_service_orders:
        if version["enterprise_id"] == hotels.get(version["id"]):
            versions[version["id"]].append(version)
    for order in world.product_service_orders:
        versions[order["id"]].append({**order, "observed_utc": order["fetched_utc"]})
    return {
        order["id"]: sorted(
            versions[order["id"]],
            key=lambda version: (
                version["updated_utc"],
                version["observed_utc"],
                version["state"] is None,
                version["state"] or "",
            ),
        )
        for order in counted_orders(world)
    }


def first_seen_checked_in(world: World) -> dict[str, datetime]:
    seen = {}
    for order_id, history in histories(world).items():
        position = next((number for number, version in enumerate(history) if is_checked_in(version)), 0)
        if position:
            seen[order_id] = history[position]["observed_utc"]
    return seen


def state_changes(world: World) -> list[tuple[Any, ...]]:
    """The rows of fct_order_state_changes."""
    local, rows = LocalDates(world), []
    for order_id, history in histories(world).items():
        for number, version in enumerate(history):
            before = history[number - 1]["state"] if number else None
            if number == 0 or before != version["state"]:
                changed = version["updated_utc"]
                day = local(version["enterprise_id"], changed)
                place = (version["enterprise_id"], version["service_id"])
                seen = version["observed_utc"]
                when = (changed, day, seen, local(version["enterprise_id"], seen))
                rows.append((order_id, *place, before, version["state"], *when))
    return rows


def pickup(world: World) -> list[tuple[Any, ...]]:
    """The rows of agg_pickup: what was known on each of the last 35 days of each hotel, a week and a year before."""
    local, history, rows = LocalDates(world), histories(world), []
    seen: dict[str, list[tuple[str, date, list[tuple[date, bool]]]]] = defaultdict(list)
    for order in counted_orders(world):
        hotel = order["enterprise_id"]
        versions = [(local(hotel, each["observed_utc"]), is_canceled(each)) for each in history[order["id"]]]
        seen[hotel].append((order["service_id"], local(hotel, order["created_utc"]), versions))
    for hotel, moment in as_of(world).items():
        if moment is None or not seen[hotel]:
            continue
        first_seen = min(day for *_, versions in seen[hotel] for day, _ in versions)
        days = [local(hotel, moment) - timedelta(days=ago) for ago in range(1, 36)]
        for day in days:
            counts: defaultdict[tuple[str, date], dict[int, list[int]]] = defaultdict(dict)
            for shift in (0, 7, 364):
                for service, created, versions in seen[hotel]:
                    known = [canceled for seen_on, canceled in versions if seen_on <= day - timedelta(days=shift)]
                    if created + timedelta(days=shift) in days and known:
                        count = counts[service, created + timedelta(days=shift)].setdefault(shift, [0, 0])
                        count[0] += 1
                        count[1] += known[-1]
            for (service, created), found in counts.items():
                values = [
                    value
                    for shift in (0, 7, 364)
                    for value in (
                        found.get(shift, [0, 0])
                        if shift == 0 or first_seen <= day - timedelta(days=shift)
                        else [None, None]
                    )
                ]
                rows.append((hotel, service, day, created, *values))
    return rows


def orders_daily(
    world: World, values: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[tuple[Any, ...], Counter[str]]:
    """By enterprise_id, service_id, origin, account_type and date: each count by its column's name.

    `values` are those of the orders' items, where there are any.
    """
    values = values or {}
    orders, local, until = counted_orders(world), LocalDates(world), last_midnights(world)
    fact = facts(world, {order: each["consumed_at"] for order, each in values.items()})
    rows: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for order in orders:
        hotel = order["enterprise_id"]
        key = (hotel, order["service_id"], order["origin"], order["account_type"])
        created = rows[*key, local(hotel, order["created_utc"])]
        created.update(_counts(order, until[hotel], fact[order["id"]]))
        created["orders_without_items"] += values.get(order["id"], {}).get("has_items") is False
        if is_canceled(order) and order["cancelled_utc"] is not None:
            rows[*key, local(hotel, order["cancelled_utc"])]["cancellations"] += 1
    return rows


def _counts(order: Order, until: datetime | None, fact: dict[str, Any]) -> list[str]:
    is_rebooked = fact["is_rebooked"]
    counts = {
        "orders_created": True,
        "pending_orders": order["state"] in {"Inquired", "Optional", "Requested"},
        "firm_orders": is_firm(order),
        "confirmed_orders": order["state"] == "Confirmed",
        "checked_in_orders": is_checked_in(order),
        "canceled_orders": is_canceled(order),
        "resolved_orders": is_checked_in(order) or is_canceled(order),
        "in_progress_orders": order["state"] == "Started",
        "owner_checked_in_orders": is_checked_in(order) and order["owner_checked_in"],
        "any_companion_checked_in_orders": is_checked_in(order) and order["any_companion_checked_in"],
        "all_companions_checked_in_orders": is_checked_in(order) and order["all_companions_checked_in"],
        "connector_checked_in_orders": is_checked_in(order) and order["connector_check_in"],
        "online_checked_in_orders": is_firm(order) and not is_canceled(order) and fact["is_online_checked_in"],
        "unresolved_orders": fact["is_unresolved"],
        "canceled_after_check_in_orders": is_canceled(order)
        and (order["owner_checked_in"] or order["any_companion_checked_in"]),
        "quick_cancels": canceled_within(order, HOUR),
        "rebooked_cancels": is_rebooked,
        "voucher_orders": is_firm(order) and order["voucher_id"] is not None,
        "linked_orders": is_firm(order) and order["linked_reservation_id"] is not None,
    }
    for days in (7, 30, 90):
        age = timedelta(days=days)
        is_mature = is_firm(order) and is_old(order, age, until)
        counts[f"mature_firm_orders_{days}d"] = is_mature
        counts[f"canceled_within_{days}d"] = is_mature and canceled_within(order, age)
    counts["net_canceled_within_30d"] = (
        counts["canceled_within_30d"] and not counts["quick_cancels"] and not is_rebooked
    )
    counts["firm_orders_not_canceled"] = is_firm(order) and not is_canceled(order)
    counts["canceled_never_seen_confirmed_orders"] = fact["is_canceled_never_seen_confirmed"]
    counts["canceled_while_pending_orders"] = fact["is_canceled_while_pending"]
    return [name for name, holds in counts.items() if holds]


def cancellation_curve(world: World) -> Counter[tuple[Any, ...]]:
    """By enterprise_id, service_id, cohort_month, days_since_creation and name of the count: the count."""
    local, until = LocalDates(world), last_midnights(world)
    counts: Counter[tuple[Any, ...]] = Counter()
    for order in filter(is_firm, counted_orders(world)):
        hotel = order["enterprise_id"]
        cohort = (hotel, order["service_id"], local(hotel, order["created_utc"]).replace(day=1))
        for days in range(366):
            age = timedelta(days=days)
            if is_old(order, age, until[hotel]):
                counts[*cohort, days, "orders_at_risk"] += 1
                counts[*cohort, days, "canceled_by_then"] += canceled_within(order, age)
    return counts
