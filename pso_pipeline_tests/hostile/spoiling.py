"""What is done to a world: hypothesis draws the steps, each spoils records of a hotel that may be spoiled."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st

from pso_pipeline_tests.hostile.values import names, values, whole_records
from pso_pipeline_tests.hostile.world import Held, Hotel, Raw, text

FIELDS = {
    "enterprise": (
        "Id", "Name", "TimeZoneIdentifier", "ChainId", "ChainName", "CreatedUtc", "UpdatedUtc", "LinkedUtc", "Address",
        "Address.CountryCode", "Address.City",
    ),
    "service": (
        "Id", "EnterpriseId", "Name", "IsActive", "CreatedUtc", "UpdatedUtc", "Data", "Data.Discriminator",
        "Data.Value",
    ),
    "order": (
        "Id", "ServiceId", "AccountId", "AccountType", "CreatorProfileId", "UpdaterProfileId", "BookerId", "Number",
        "State", "Origin", "CommanderOrigin", "OriginDetails", "CreatedUtc", "UpdatedUtc", "CancelledUtc", "VoucherId",
        "BusinessSegmentId", "LinkedReservationId", "Options", "Options.OwnerCheckedIn",
        "Options.AllCompanionsCheckedIn", "Options.AnyCompanionCheckedIn", "Options.ConnectorCheckIn",
    ),
}  # fmt: skip
"""Every field of each kind of record that the package names."""

REQUIRED = {
    "enterprise": {"Id"},
    "service": {"Id", "EnterpriseId"},
    "order": {"Id", "ServiceId", "CreatedUtc", "UpdatedUtc"},
}
Step = tuple[Any, ...]
T = TypeVar("T")

_kind_and_field = st.sampled_from([(kind, name) for kind, fields in FIELDS.items() for name in fields])
_which = st.integers(0, 19)
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("field"), _which, _which, _kind_and_field, st.none() | values),
    st.tuples(st.just("field"), _which, _which, _kind_and_field, values),
    st.tuples(st.just("every order"), _which, st.sampled_from(FIELDS["order"]), st.none() | values),
    st.tuples(st.just("more"), _which, _which, st.sampled_from(sorted(FIELDS)), names, values),
    st.tuples(st.just("whole record"), _which, _which, st.sampled_from(sorted(FIELDS)), whole_records),
    st.tuples(st.just("twice"), _which, _which, st.sampled_from(sorted(FIELDS))),
    st.tuples(st.just("same id"), _which, _which, _which),
    st.tuples(st.just("upper case"), _which, _which, st.sampled_from(sorted(FIELDS))),
    st.tuples(st.just("move"), _which, _which, _which),
    st.tuples(st.just("unknown service"), _which, _which),
    st.tuples(st.just("canceled early"), _which, st.integers(1, 20)),
    st.tuples(st.just("canceled undated"), _which, st.integers(1, 20)),
)
"""One thing that goes wrong, as its name and what it takes: a number picks a hotel or a record, whatever there are."""


@dataclass
class Spoiler:
    """Takes steps in the hotels that may be spoiled, at a time of the server's."""

    hotels: list[Hotel]
    now: datetime

    def take(self, step: Step) -> None:
        kind, *arguments = step
        if self.hotels:
            take: Callable[..., None] = getattr(self, f"_{kind.replace(' ', '_')}")
            take(*arguments)

    def _field(self, hotel: int, which: int, kind_and_name: tuple[str, str], value: Raw | None) -> None:
        kind, name = kind_and_name
        self._touch(self._pick(hotel, which, kind)).put(name, value)

    def _every_order(self, hotel: int, name: str, value: Raw | None) -> None:
        for order in _of(self.hotels, hotel).orders:
            self._touch(order).put(name, value)

    def _more(self, hotel: int, which: int, kind: str, name: str, value: Raw) -> None:
        held = self._touch(self._pick(hotel, which, kind))
        held.more.append((name, value))
        held.spoiled.add("more")

    def _whole_record(self, hotel: int, which: int, kind: str, value: Raw) -> None:
        held = self._touch(self._pick(hotel, which, kind))
        held.instead = value
        held.spoiled.add("whole")

    def _twice(self, hotel: int, which: int, kind: str) -> None:
        """The same record twice in the list."""
        self._listed_beside(hotel, kind, copy.deepcopy(self._touch(self._pick(hotel, which, kind))))

    def _same_id(self, hotel: int, which: int, other: int) -> None:
        """Two orders with one id."""
        first, second = self._pick(hotel, which, "order"), self._touch(self._pick(hotel, other, "order"))
        if first is not second:
            first.spoiled.add("Id")
            second.put("Id", Raw(f'"{first.record["Id"]}"') if isinstance(first.record.get("Id"), str) else None)

    def _upper_case(self, hotel: int, which: int, kind: str) -> None:
        """Ids in another case are the same ids."""
        held = self._touch(self._pick(hotel, which, kind))
        for name in ("Id", "ServiceId", "EnterpriseId"):
            if isinstance(value := held.record.get(name), str):
                held.record[name] = value.upper()

    def _move(self, hotel: int, which: int, other: int) -> None:
        """An order that now belongs to a service of another hotel that may be spoiled."""
        order = self._touch(self._pick(hotel, which, "order"))
        target = _of(self.hotels, other)
        order.home = _of(target.services, which).was
        order.put("ServiceId", Raw(f'"{order.home}"'))

    def _unknown_service(self, hotel: int, which: int) -> None:
        order = self._touch(self._pick(hotel, which, "order"))
        order.put("ServiceId", Raw('"11111111-2222-4333-8444-555555555555"'))

    def _canceled_early(self, hotel: int, count: int) -> None:
        """Orders canceled an hour before they were created."""
        for order in _of(self.hotels, hotel).orders[:count]:
            if isinstance(created := order.record.get("CreatedUtc"), str):
                before = datetime.fromisoformat(created) - timedelta(hours=1)
                self._touch(order).put("State", Raw('"Canceled"'))
                order.put("CancelledUtc", Raw(f'"{text(before)}"'))

    def _canceled_undated(self, hotel: int, count: int) -> None:
        for order in _of(self.hotels, hotel).orders[:count]:
            self._touch(order).put("State", Raw('"Canceled"'))
            order.put("CancelledUtc", Raw("null"))

    def _listed_beside(self, hotel: int, kind: str, held: Held) -> None:
        found = _of(self.hotels, hotel)
        if kind == "order":
            found.orders.append(held)
        elif kind == "service":
            found.services.append(held)

    def _pick(self, hotel: int, which: int, kind: str) -> Held:
        found = _of(self.hotels, hotel)
        held = {"enterprise": [found.enterprise], "service": found.services, "order": found.orders}
        return _of(held[kind], which)

    def _touch(self, held: Held) -> Held:
        """Let a record count as changed now, as it would be read then."""
        held.updated = self.now.replace(microsecond=0)
        if "UpdatedUtc" not in held.spoiled:
            held.record["UpdatedUtc"] = text(self.now)
        return held


def _of(found: list[T], which: int) -> T:
    return found[which % len(found)]
