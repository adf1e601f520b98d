"""What changed, once more in plain Python: periods, expected cancellations and scores, straight from the definitions.

Slow and obvious on purpose; nothing is shared with the package. It starts from daily counts, and from what the canceled
orders of each day were worth.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

Cell = tuple[str, str | None, str | None]
Counts = dict[tuple[str, str | None, str | None, date], Counter[str]]
Values = dict[tuple[str, str | None, str | None, date], dict[str, Decimal]]
"""By hotel, service, origin and day of the cancellation: amounts by currency."""
Row = dict[str, Any]

LEVELS = {"hotel": (False, False), "service": (True, False), "origin": (False, True), "service_origin": (True, True)}
COUNTED = ("orders_created", "cancellations", "mature_firm_orders_7d", "canceled_within_7d", "unresolved_orders")


def expected_changes(counts: Counts, values: Values, last_days: Mapping[str, date]) -> dict[tuple[Any, ...], Row]:
    """The rows of `agg_changes`, by its key, without the sentences."""
    found = {}
    for hotel, last_day in last_days.items():
        own = {key[1:]: counter for key, counter in counts.items() if key[0] == hotel}
        if own:
            worth = {key[1:]: amounts for key, amounts in values.items() if key[0] == hotel}
            for row in _hotel(own, last_day):
                key = (hotel, row["level"], row["service_id"], row["origin"], row["window_days"], row["comparison"])
                found[key] = row | _interval(row, own, last_day) | _worth(row, worth, last_day)
    _judge(found)
    return {key: {name: row[name] for name in row if not name.startswith("_")} for key, row in found.items()}


def _interval(row: Row, own: dict[tuple[str | None, str | None, date], Counter[str]], last_day: date) -> Row:
    """How far the excess may be off, and how many standard errors each kind of change is away from what is usual."""
    window, known = row["window_days"], (last_day - min(day for *_, day in own)).days + 1
    usual = _periods(window, known)[-1]
    is_known = usual[1] + usual[2] <= known
    spreads = {
        name: _spread(own, last_day, row["level"], name, usual) if is_known else None
        for name in ("orders_created", "cancellations")
    }
    if not row["_orders_then"]:
        return {"excess_low": None, "excess_high": None} | _scored(row, spreads, None)
    uncertainty = math.sqrt((spreads["cancellations"] or 1) * (1 + row["orders"] / row["_orders_then"]))
    root, half_width = math.sqrt(row["expected_cancellations"] + 0.375), 0.98 * uncertainty
    return {
        "excess_low": row["cancellations"] + 0.375 - (root + half_width) ** 2,
        "excess_high": row["cancellations"] + 0.375 - max(root - half_width, 0) ** 2,
    } | _scored(row, spreads, uncertainty)


def _scored(row: Row, spreads: Mapping[str, float | None], uncertainty: float | None) -> Row:
    scores: dict[str, float] = {}
    if row["comparison"] == "usual" and row["level"] != "service_origin":
        orders, compared, expected = row["orders"], row["compared_orders"], row["expected_cancellations"]
        spread = spreads["orders_created"]
        if max(orders, compared) >= 10 and spread is not None:
            distance = 2 * (math.sqrt(orders + 0.375) - math.sqrt(compared + 0.375))
            scores["orders"] = distance / math.sqrt(spread * (1 + row["_scale"]))
        if uncertainty is not None and max(row["cancellations"], expected) >= 10:
            distance = 2 * (math.sqrt(row["cancellations"] + 0.375) - math.sqrt(expected + 0.375))
            scores["rate"] = distance / uncertainty
        if (
            row["level"] == "hotel"
            and row["mix_effect"] is not None
            and abs(row["mix_effect"]) >= 5
            and spread is not None
        ):
            error = math.sqrt(row["_mix_variance"] * (1 + orders / row["_orders_then"]) * spread)
            if error:
                scores["mix"] = row["mix_effect"] / error
    return {"_scores": {kind: score for kind, score in scores.items() if score}}


def _spread(
    own: dict[tuple[str | None, str | None, date], Counter[str]],
    last_day: date,
    level: str,
    name: str,
    period: tuple[str, int, int],
) -> float | None:
    """The mean, over the parts of a level, of variance over mean of their weekly counts; at least 1."""
    (by_service, by_origin), (_, first_day, length) = LEVELS[level], period
    weeks = length // 7
    counts: dict[Any, Counter[int]] = defaultdict(Counter)
    for (service, origin, day), counter in own.items():
        week = ((last_day - day).days - first_day) // 7
        if 0 <= week < weeks:
            counts[service if by_service else None, origin if by_origin else None][week] += counter[name]
    if not counts:
        return None
    ratios = []
    for weekly in counts.values():
        mean = weekly.total() / weeks
        if mean:
            variance = sum((weekly[week] - mean) ** 2 for week in range(weeks)) / (weeks - 1)
            ratios.append(variance / mean)
    return max(1.0, sum(ratios) / len(ratios)) if ratios else 1.0


def _worth(row: Row, worth: Mapping[tuple[str | None, str | None, date], Mapping[str, Decimal]], last_day: date) -> Row:
    """The values of the canceled orders in both periods, if all are in one currency."""
    by_service, by_origin = LEVELS[row["level"]]
    found: dict[str, list[Decimal]] = {}
    for (service, origin, day), amounts in worth.items():
        is_part = (not by_service or service == row["service_id"]) and (not by_origin or origin == row["origin"])
        periods = (
            row["from_date"] <= day <= last_day,
            row["compared_from_date"] <= day <= row["compared_to_date"],
        )
        if is_part and any(periods):
            for currency, amount in amounts.items():
                total = found.setdefault(currency, [Decimal(0), Decimal(0)])
                for place, is_in_period in enumerate(periods):
                    total[place] += amount * is_in_period
    if len(found) != 1:
        return dict.fromkeys(("canceled_value", "compared_canceled_value", "currency"))
    ((currency, (value, compared)),) = found.items()
    return {"canceled_value": value, "compared_canceled_value": float(compared) * row["_scale"], "currency": currency}


def _judge(found: Mapping[tuple[Any, ...], Row]) -> None:
    """Say which kind of change each row is, whether it is beyond chance among all that was tested, and its rank."""
    tested = [(key, kind, score) for key, row in found.items() for kind, score in row["_scores"].items()]
    judged = {}
    for key, kind, score in tested:
        chance = 2 * math.exp(-score * score / 2) / (abs(score) * math.sqrt(2 * math.pi))
        judged[key, kind] = (abs(score), chance * len(tested) < 0.05)

    def place(key: tuple[Any, ...]) -> tuple[Any, ...]:
        hotel, level, service, origin, window, _ = key
        return hotel, window, level, _last_if_none(service), _last_if_none(origin)

    mixed = {key[0] for (key, kind), (_, is_beyond) in judged.items() if kind == "mix" and is_beyond}
    first: dict[Any, Any] = {}
    for key, kind in sorted(judged, key=lambda each: (-judged[each][0], place(each[0]))):
        first.setdefault((key[0], kind), key)
    kept: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for (key, kind), (size, is_beyond) in judged.items():
        is_first = first[key[0], kind] == key and not (kind == "orders" and key[1] == "origin" and key[0] in mixed)
        order = (not is_first, not is_beyond, -size, kind)
        kept[key] = min(kept.get(key, order), order)
    ranked = sorted(kept, key=lambda key: (*kept[key][:3], place(key)))
    for row in found.values():
        row |= {"kind": None, "score": None, "is_beyond_chance": False, "rank": None}
    for rank, key in enumerate(ranked, 1):
        kind = kept[key][3]
        found[key] |= {
            "kind": kind,
            "score": found[key]["_scores"][kind],
            "is_beyond_chance": judged[key, kind][1],
            "rank": rank,
        }


def _last_if_none(text: str | None) -> tuple[bool, str]:
    return text is None, text or ""


def _hotel(own: dict[tuple[str | None, str | None, date], Counter[str]], last_day: date) -> Iterator[Row]:
    known = (last_day - min(day for *_, day in own)).days + 1
    for window in (7, 28):
        for comparison, first_day, length in _periods(window, known):
            if first_day + length <= known:
                yield from _compared(own, last_day, window, (comparison, first_day, length))


def _periods(window: int, known: int) -> list[tuple[str, int, int]]:
    weeks = max(4, min(12, (known - window) // 7))
    return [("before", window, window), ("last_year", 364, window), ("usual", window, 7 * weeks)]


def _compared(
    own: dict[tuple[str | None, str | None, date], Counter[str]],
    last_day: date,
    window: int,
    period: tuple[str, int, int],
) -> Iterator[Row]:
    comparison, first_day, length = period

    def total(cell: Cell, name: str, first: int, days: int, earlier: int = 0) -> int:
        _, service, origin = cell
        return sum(
            own.get((service, origin, last_day - timedelta(days=ago + earlier)), Counter())[name]
            for ago in range(first, first + days)
        )

    scale = window / length
    cells = {("", service, origin) for service, origin, day in own if 0 <= (last_day - day).days <= 451}
    now = {cell: (total(cell, "orders_created", 0, window), total(cell, "cancellations", 0, window)) for cell in cells}
    then = {
        cell: (
            total(cell, "orders_created", first_day, length),
            total(cell, "cancellations", first_day, length),
        )
        for cell in cells
    }
    all_orders = sum(orders for orders, _ in then.values())
    hotel_rate = sum(canceled for _, canceled in then.values()) / all_orders if all_orders else None
    for level, (by_service, by_origin) in LEVELS.items():
        groups: dict[tuple[str | None, str | None], list[Cell]] = defaultdict(list)
        for cell in cells:
            groups[cell[1] if by_service else None, cell[2] if by_origin else None].append(cell)
        for (service, origin), members in groups.items():
            orders = sum(now[cell][0] for cell in members)
            canceled = sum(now[cell][1] for cell in members)
            orders_then = sum(then[cell][0] for cell in members)
            canceled_then = sum(then[cell][1] for cell in members)
            if orders + canceled + orders_then + canceled_then == 0:
                continue
            rates = [then[cell][1] / then[cell][0] if then[cell][0] else hotel_rate for cell in members]
            of_mix = None
            if None not in rates:
                of_mix = sum(now[cell][0] * (rate or 0) for cell, rate in zip(members, rates, strict=True))
            at_one_rate = orders * canceled_then / orders_then if orders_then else None
            yield {
                "level": level,
                "service_id": service,
                "origin": origin,
                "window_days": window,
                "comparison": comparison,
                "from_date": last_day - timedelta(days=window - 1),
                "to_date": last_day,
                "compared_from_date": last_day - timedelta(days=first_day + length - 1),
                "compared_to_date": last_day - timedelta(days=first_day),
                "orders": orders,
                "compared_orders": orders_then * scale,
                "cancellations": canceled,
                "compared_cancellations": canceled_then * scale,
                "mature_orders_7d": sum(total(c, "mature_firm_orders_7d", 0, window, 7) for c in members),
                "canceled_within_7d": sum(total(c, "canceled_within_7d", 0, window, 7) for c in members),
                "compared_mature_orders_7d": sum(
                    total(c, "mature_firm_orders_7d", first_day, length, 7) for c in members
                ),
                "compared_canceled_within_7d": sum(
                    total(c, "canceled_within_7d", first_day, length, 7) for c in members
                ),
                "unresolved_orders": sum(total(c, "unresolved_orders", 0, window, 60) for c in members),
                "compared_unresolved_orders": scale
                * sum(total(c, "unresolved_orders", first_day, length, 60) for c in members),
                "expected_cancellations": of_mix,
                "excess_cancellations": None if of_mix is None else canceled - of_mix,
                "volume_effect": None if at_one_rate is None else at_one_rate - canceled_then * scale,
                "mix_effect": None if at_one_rate is None or of_mix is None else of_mix - at_one_rate,
                "rate_effect": None if of_mix is None else canceled - of_mix,
                "_scale": scale,
                "_orders_then": orders_then,
                "_mix_variance": sum(
                    now[cell][0] * ((rate or 0) - (hotel_rate or 0)) ** 2
                    for cell, rate in zip(members, rates, strict=True)
                ),
            }
