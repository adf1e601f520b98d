"""The collections of a world: what a request may filter by, and how the items are written as JSON.

Every table has the same four members: `versions`, from which the world cuts pages, `record` finds a record by its id,
`filter` tests versions against a query, `write` makes JSON of them. A new operation is a new table: some thousands of
records go into a `RecordTable`, millions into arrays as in `OrderTable` and `items.ItemTable`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pso_pipeline.sandbox import times
from pso_pipeline.sandbox.contract import ACCOUNT_TYPES, COMMANDER_ORIGINS, ORIGINS, STATES, Query, invalid
from pso_pipeline.sandbox.identifiers import Identifiers, Kind
from pso_pipeline.sandbox.items import ItemTable
from pso_pipeline.sandbox.lives import (
    ALL_COMPANIONS,
    ANY_COMPANION,
    CONNECTOR,
    ORIGIN_DETAILS,
    OWNER,
    PROFILES,
    SEGMENTS,
    SHOWS_CANCELLATION,
    STATE_BITS,
    VOUCHERS,
    Columns,
)
from pso_pipeline.sandbox.versions import Flags, Integers, Versions

ValueOf = Callable[[Mapping[str, Any]], str]

_OPTIONS = {
    "OwnerCheckedIn": OWNER,
    "AllCompanionsCheckedIn": ALL_COMPANIONS,
    "AnyCompanionCheckedIn": ANY_COMPANION,
    "ConnectorCheckIn": CONNECTOR,
}
_OPTION_BITS = OWNER | ALL_COMPANIONS | ANY_COMPANION | CONNECTOR
_HOTEL_BITS = 32


class RecordTable:
    """Some thousands of records, kept as JSON.

    Args:
        records: One dict for each version, the versions of a record one after the other.
        hotel_of: Number of each version's hotel.
        columns: For each parameter that filters, how to find its value in a record.
    """

    def __init__(
        self,
        records: Sequence[Mapping[str, Any]],
        hotel_of: Sequence[int],
        columns: Mapping[str, ValueOf],
    ) -> None:
        self._ids = [record["Id"] for record in records]
        number_of = {id_: number for number, id_ in enumerate(dict.fromkeys(self._ids))}
        self._places = {id_: place for place, id_ in enumerate(self._ids)}
        self._texts = [json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in records]
        self._hotel = np.array(hotel_of)
        self._columns = {name: [value_of(record) for record in records] for name, value_of in columns.items()}
        self.versions = Versions(
            np.array([number_of[id_] for id_ in self._ids]),
            np.array([times.parse(record["UpdatedUtc"]) for record in records]),
        )

    def record(self, id_: str, hotels: Flags) -> int | None:
        """The number of a record within some hotels; None for an unknown id."""
        place = self._places.get(id_)
        return None if place is None or not hotels[self._hotel[place]] else int(self.versions.record[place])

    def filter(self, query: Query, hotels: Flags, now: int) -> Callable[[Integers], Flags]:
        """Make the test for versions of some hotels that match a query.

        Raises:
            InvalidRequestError: The query names an id that does not exist or lies outside the hotels.
        """
        wanted = hotels[self._hotel]
        exists = wanted & (self.versions.changed <= now)
        for name, values in query.values.items():
            column = self._columns[name]
            if name.endswith("Ids"):
                missing = values.difference(np.array(column, dtype=object)[exists])
                if missing:
                    raise invalid(name, min(missing))
            wanted &= np.array([value in values for value in column], dtype=bool)
        for name, interval in query.intervals.items():
            if name in self._columns:
                wanted &= np.array(
                    [interval.contains(times.parse(moment)) for moment in self._columns[name]], dtype=bool
                )
        return lambda versions: wanted[versions]

    def write(self, versions: Integers) -> tuple[list[str], str | None]:
        """Each version as JSON, and the id of the last."""
        places = versions.tolist()
        return [self._texts[place] for place in places], self._ids[places[-1]] if places else None


class OrderTable:
    """Orders in arrays: as dicts a million of them would take gigabytes.

    Args:
        orders: Columns of the orders, the numbers ascending.
        versions: Columns of their versions.
        identifiers: The ids of the world.
        services: Hotel number and creation of each service, by its id.
    """

    def __init__(
        self, orders: Columns, versions: Columns, identifiers: Identifiers, services: Mapping[str, tuple[int, int]]
    ) -> None:
        self._orders = orders
        self._flags, self._updater = versions["flags"], versions["updater"]
        self.versions = Versions(versions["order"], versions["changed"])
        self._identifiers = identifiers
        self._service_ids = list(services)
        self._services = {id_: number for number, id_ in enumerate(services)}
        self._hotel = np.array([hotel for hotel, _ in services.values()])
        self._announced = np.array([created for _, created in services.values()])
        hotels = int(self._hotel.max()) + 1
        self._profiles = _quoted(self._ids_of_hotels(Kind.PROFILE, hotels, PROFILES))
        # Number 0 of a hotel stands for none.
        self._vouchers, self._segments = (
            ["null" if place % (count + 1) == 0 else text for place, text in enumerate(_quoted(ids))]
            for count, ids in (
                (VOUCHERS, self._ids_of_hotels(Kind.VOUCHER, hotels, VOUCHERS + 1)),
                (SEGMENTS, self._ids_of_hotels(Kind.SEGMENT, hotels, SEGMENTS + 1)),
            )
        )

    def record(self, id_: str, hotels: Flags) -> int | None:
        """The number of an order within some hotels; None for an unknown id."""
        known = self._identifiers.number(id_)
        if known is None or known[0] != Kind.ORDER:
            return None
        number, numbers = np.uint64(known[1]), self._orders["number"]
        place = int(np.searchsorted(numbers, number))
        if place == len(numbers) or numbers[place] != number:
            return None
        return place if hotels[self._hotel[self._orders["service"][place]]] else None

    def filter(self, query: Query, hotels: Flags, now: int) -> Callable[[Integers], Flags]:
        """Make the test for versions of some hotels that match a query.

        Raises:
            InvalidRequestError: The query names an id that does not exist or lies outside the hotels.
        """
        values = query.values
        wanted = np.zeros(len(self._service_ids), dtype=bool)
        for id_ in values["ServiceIds"]:
            number = self._services.get(id_)
            if number is None or not hotels[self._hotel[number]] or self._announced[number] > now:
                raise invalid("ServiceIds", id_)
            wanted[number] = True
        if "EnterpriseIds" in values:
            wanted &= self._named_hotels(values["EnterpriseIds"], hotels)[self._hotel]
        service, order = self._orders["service"], self.versions.record
        tests: list[Callable[[Integers], Flags]] = [lambda versions: wanted[service[order[versions]]]]
        if "States" in values:
            states = np.array([state in values["States"] for state in STATES])
            tests.append(lambda versions: states[self._flags[versions] & STATE_BITS])
        named = ("ProductServiceOrderIds", "AccountIds", "LinkedReservationIds")
        tests += [self._named(name, values[name], hotels, now) for name in named if name in values]
        return lambda versions: np.logical_and.reduce([test(versions) for test in tests])

    def write(self, versions: Integers) -> tuple[list[str], str | None]:
        """Each version as JSON, and the id of the last."""
        if not len(versions):
            return [], None
        places = self.versions.record[versions]
        order = {name: column[places] for name, column in self._orders.items()}
        flags, updater = self._flags[versions], self._updater[versions]
        hotel = self._hotel[order["service"]].astype(np.uint64)
        ids = self._identifiers.texts(Kind.ORDER, order["number"])
        bookers = np.maximum(order["booker"], 1)
        account_kinds = (Kind.CUSTOMER + order["account_type"]).astype(np.uint64)
        columns: list[Iterable[str]] = [
            ids,
            _looked_up(self._service_ids, order["service"]),
            self._identifiers.texts(account_kinds, _within(hotel, order["account"])),
            _looked_up(ACCOUNT_TYPES, order["account_type"]),
            _looked_up(self._profiles, _within_few(hotel, PROFILES, order["creator"])),
            _looked_up(self._profiles, _within_few(hotel, PROFILES, updater)),
            _optional(self._identifiers.texts(Kind.CUSTOMER, _within(hotel, bookers - 1)), order["booker"] > 0),
            map(str, order["confirmation"].tolist()),
            _looked_up(STATES, flags & STATE_BITS),
            _looked_up(ORIGINS, order["origin"]),
            _looked_up(_NULLABLE_COMMANDER_ORIGINS, order["commander_origin"]),
            _looked_up(_NULLABLE_ORIGIN_DETAILS, order["origin_details"]),
            _moments(order["created"]),
            _moments(self.versions.changed[versions]),
            _optional(_moments(order["canceled"]), (flags & SHOWS_CANCELLATION) > 0),
            _looked_up(self._vouchers, _within_few(hotel, VOUCHERS + 1, order["voucher"])),
            _looked_up(self._segments, _within_few(hotel, SEGMENTS + 1, order["segment"])),
            _optional(
                self._identifiers.texts(Kind.RESERVATION, _within(hotel, order["reservation"])),
                order["reservation"] > 0,
            ),
            _looked_up(_WRITTEN_OPTIONS, flags & _OPTION_BITS),
        ]
        return [_ORDER % values for values in zip(*columns, strict=True)], ids[-1]

    def _ids_of_hotels(self, kind: Kind, hotels: int, of_each: int) -> list[str]:
        hotel, thing = np.divmod(np.arange(hotels * of_each, dtype=np.uint64), np.uint64(of_each))
        return self._identifiers.texts(kind, _within(hotel, thing))

    def _named_hotels(self, ids: Iterable[str], hotels: Flags) -> Flags:
        found = self._identifiers.numbers(ids, [Kind.ENTERPRISE])
        if found is None or not all(number < len(hotels) and hotels[number] for _, number in found):
            raise invalid("EnterpriseIds")
        named = np.zeros(len(hotels), dtype=bool)
        named[[number for _, number in found]] = True
        return named

    def _named(self, name: str, ids: frozenset[str], hotels: Flags, now: int) -> Callable[[Integers], Flags]:
        """A test for the orders that carry one of some ids."""
        orders, order = self._orders, self.versions.record
        if name == "ProductServiceOrderIds":
            places = [self.record(id_, hotels) for id_ in ids]
            if any(place is None or orders["created"][place] > now for place in places):
                raise invalid(name)
            wanted = np.array(places)
            return lambda versions: np.isin(order[versions], wanted)
        column, kinds = "reservation", [Kind.RESERVATION]
        if name == "AccountIds":
            column, kinds = "account", [Kind.CUSTOMER, Kind.COMPANY]
        found = self._identifiers.numbers(ids, kinds)
        if found is None or not all(hotels[number >> _HOTEL_BITS] for _, number in found):
            raise invalid(name)
        # The lowest bit separates customers from companies.
        keys = np.array([number * 2 + (kind == Kind.COMPANY) for kind, number in found], dtype=np.uint64)

        def carries(versions: Integers) -> Flags:
            places = order[versions]
            own = _within(self._hotel[orders["service"][places]], orders[column][places]) * np.uint64(2)
            return np.isin(own + orders["account_type"][places] if column == "account" else own, keys)

        return carries


Table = RecordTable | OrderTable | ItemTable


def _within(hotel: Integers, number: Integers) -> Integers:
    """The number behind the id of a thing that belongs to a hotel."""
    return hotel.astype(np.uint64) << np.uint64(_HOTEL_BITS) | number.astype(np.uint64)


def _within_few(hotel: Integers, of_each: int, number: Integers) -> Integers:
    """The place of a thing of a hotel where every hotel has so many."""
    return hotel.astype(np.int64) * of_each + number


def _looked_up(values: Sequence[str], places: Integers) -> Iterable[str]:
    return map(values.__getitem__, places.tolist())


def _moments(moments: Integers) -> list[str]:
    texts: list[str] = np.datetime_as_string(moments.astype("datetime64[s]"), timezone="UTC").tolist()
    return texts


def _optional(texts: Iterable[str], is_given: Flags) -> list[str]:
    return [f'"{text}"' if given else "null" for text, given in zip(texts, is_given.tolist(), strict=True)]


def _quoted(texts: Iterable[str | None]) -> list[str]:
    return [json.dumps(text) for text in texts]


_NULLABLE_COMMANDER_ORIGINS = _quoted((None, *COMMANDER_ORIGINS))
_NULLABLE_ORIGIN_DETAILS = _quoted(ORIGIN_DETAILS)
_WRITTEN_OPTIONS = [
    json.dumps({name: bool(flags & bit) for name, bit in _OPTIONS.items()}, separators=(",", ":"))
    for flags in range(_OPTION_BITS + 1)
]
# The fields and their order are the documentation's.
_ORDER = (
    '{"Id":"%s","ServiceId":"%s","AccountId":"%s","AccountType":"%s","CreatorProfileId":%s,"UpdaterProfileId":%s,'
    '"BookerId":%s,"Number":"%s","State":"%s","Origin":"%s","CommanderOrigin":%s,"OriginDetails":%s,"CreatedUtc":"%s",'
    '"UpdatedUtc":"%s","CancelledUtc":%s,"VoucherId":%s,"BusinessSegmentId":%s,"LinkedReservationId":%s,"Options":%s}'
)
