"""What changed, once more in plain Python: periods, expected cancellations and scores, straight from the definitions.

Slow and obvious on purpose; nothing is shared with the package. It starts from daily counts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

Cell = tuple[str, str | None, str | None]
Counts = dict[tuple[str, str | None, str | None, date], Counter[str]]
Row = dict[str, Any]

LEVELS = {"hotel": (False, False), "service": (True, False), "origin": (False, True), "service_origin": (True, True)}
COUNTED = ("orders_created", "cancellations", "mature_firm_orders_7d", "canceled_within_7d", "unresolved_orders")


def expected_changes(counts: Counts, last_days: Mapping[str, date]) -> dict[tuple[Any, ...], Row]:
    """The rows of `agg_changes`, by its key, without what is compared between hotels."""
    found = {}
    for hotel, last_day in last_days.items():
        own = {key[1:]: counter for key, counter in counts.items() if key[0] == hotel}
        if own:
            for row in _hotel(own, last_day):
                key = (hotel, row["level"], row["service_id"], row["origin"], row["window_days"], row["comparison"])
                found[key] = row
    return found


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
            }
