"""A small group of hotels as plain records, any field of which can be replaced by any JSON text.

Knows nothing of the package, and nothing of what it makes of a value.
"""

import json
import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

ZONES = ("Europe/Prague", "America/New_York", "Asia/Kathmandu", "Australia/Sydney", "UTC")
STATES = ("Confirmed", "Confirmed", "Started", "Processed", "Processed", "Canceled", "Canceled", "Optional")
MARK = "Mark"
"""A field that the API does not have, by which a record is found again whatever became of its others."""


@dataclass(frozen=True)
class Raw:
    """A value as the JSON text that is sent."""

    text: str


@dataclass
class Held:
    """A record and where it belongs.

    `was` is its id in the beginning, `home` the enterprise of a service or the service of an order, by which the server
    finds it, `updated` the time by which it does. `more` are members beyond those of the record, whose names may
    repeat. `instead` is sent instead of the whole record. `spoiled` names the fields that are not as they should be.
    """

    record: dict[str, Any]
    mark: str
    was: str = ""
    home: str = ""
    updated: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    more: list[tuple[str, Raw]] = field(default_factory=list)
    instead: Raw | None = None
    spoiled: set[str] = field(default_factory=set)

    @property
    def is_as_it_should_be(self) -> bool:
        return not self.spoiled

    @property
    def json(self) -> str:
        """The record as it is sent."""
        return self.instead.text if self.instead else _object([*self.record.items(), *self.more])

    def put(self, name: str, value: Raw | None) -> None:
        """Replace the field of this name, `Options.OwnerCheckedIn` in an object within; None takes it out."""
        self.spoiled.add(name)
        outer, _, inner = name.rpartition(".")
        target = self.record
        if outer:
            if not isinstance(self.record.get(outer), dict):
                return
            target = self.record[outer]
        if value is None:
            target.pop(inner, None)
        else:
            target[inner] = value


@dataclass
class Hotel:
    """An enterprise with its services and orders."""

    enterprise: Held
    services: list[Held]
    orders: list[Held]

    @property
    def id(self) -> str:
        return self.enterprise.home

    @property
    def is_as_it_should_be(self) -> bool:
        return all(held.is_as_it_should_be for held in self)

    def __iter__(self) -> Iterator[Held]:
        return iter([self.enterprise, *self.services, *self.orders])


def hotels_of(seed: int, count: int, now: datetime) -> list[Hotel]:
    """Make hotels in which everything is as it should be; the same seed makes the same, but for `now`."""
    chance = random.Random(seed)
    return [_hotel(chance, number, now) for number in range(count)]


def add_order(hotel: Hotel, chance: random.Random, now: datetime) -> Held:
    """Add an order of one of the hotel's services that was created before now."""
    service = chance.choice(hotel.services).record["Id"]
    created = now - timedelta(seconds=chance.choice([3600, 90_000, 700_000, 3_000_000, 9_000_000, 40_000_000]))
    created += timedelta(seconds=chance.randrange(3000))
    state = chance.choice(STATES)
    canceled = created + timedelta(seconds=chance.choice([5, 300])) if state == "Canceled" else None
    number = len(hotel.orders)
    record = {
        "Id": _id(chance),
        "ServiceId": service,
        "AccountId": _id(random.Random(number % 7)),
        "AccountType": chance.choice(["Customer", "Company"]),
        "CreatorProfileId": _id(chance),
        "UpdaterProfileId": _id(chance),
        "BookerId": None,
        "Number": str(number),
        "State": state,
        "Origin": chance.choice(["Distributor", "Commander", "Connector"]),
        "CommanderOrigin": None,
        "OriginDetails": None,
        "CreatedUtc": text(created),
        "UpdatedUtc": text(canceled or created),
        "CancelledUtc": canceled and text(canceled),
        "VoucherId": chance.choice([None, _id(chance)]),
        "BusinessSegmentId": None,
        "LinkedReservationId": chance.choice([None, _id(chance)]),
        "Options": {
            "OwnerCheckedIn": state in {"Started", "Processed"},
            "AllCompanionsCheckedIn": False,
            "AnyCompanionCheckedIn": chance.random() < 0.5,
            "ConnectorCheckIn": False,
        },
    }
    held = _held(record, f"order-{hotel.id[:8]}-{number}", service, canceled or created)
    hotel.orders.append(held)
    return held


def change(held: Held, now: datetime, **fields: Any) -> None:
    """Change fields of an order at this time."""
    held.record |= fields
    held.updated = now.replace(microsecond=0)
    if "UpdatedUtc" not in held.spoiled:
        held.record["UpdatedUtc"] = text(now)


def text(moment: datetime) -> str:
    """The time as the API writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hotel(chance: random.Random, number: int, now: datetime) -> Hotel:
    opened = text(now - timedelta(days=900))
    hotel_id = _id(chance)
    enterprise = {
        "Id": hotel_id,
        "ChainId": "0f515589-99b4-423d-b83a-b237009f0509",
        "ChainName": "Hotels",
        "Name": f"Hotel {number}",
        "TimeZoneIdentifier": chance.choice(ZONES),
        "CreatedUtc": opened,
        "UpdatedUtc": opened,
        "LinkedUtc": opened,
        "Address": {"CountryCode": "CZ", "City": "Praha"},
    }
    hotel = Hotel(_held(enterprise, f"hotel-{hotel_id[:8]}", hotel_id, now), [], [])
    for _ in range(chance.choice([1, 2])):
        service_id = _id(chance)
        service = {
            "Id": service_id,
            "EnterpriseId": hotel_id,
            "Name": chance.choice(["Breakfast", "Spa"]),
            "IsActive": True,
            "CreatedUtc": opened,
            "UpdatedUtc": opened,
            "Data": {"Discriminator": "Additional", "Value": {}},
        }
        hotel.services.append(_held(service, f"service-{service_id[:8]}", hotel_id, now))
    for _ in range(chance.choice([4, 12, 20])):
        add_order(hotel, chance, now)
    return hotel


def _held(record: dict[str, Any], mark: str, home: str, updated: datetime) -> Held:
    return Held({MARK: mark} | record, mark, record["Id"], home, updated)


def _id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _object(members: Iterable[tuple[str, Any]]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{_text(value)}" for name, value in members) + "}"


def _text(value: Any) -> str:
    if isinstance(value, Raw):
        return value.text
    return _object(value.items()) if isinstance(value, dict) else json.dumps(value)
