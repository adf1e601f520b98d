"""The items of orders and of reservations, made from the orders of a world: what, how many, for how much, for when.

Nothing is drawn: an item follows from the number of its order, so the orders of a world are the same with and without
items, and a world of items needs little memory of its own. A version of an order is a version of its items. Amounts are
whole cents, or whole units of currencies without cents, until they are written.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from pso_pipeline.sandbox import times
from pso_pipeline.sandbox.contract import ACCOUNT_TYPES, STATES, Query, invalid
from pso_pipeline.sandbox.hotels import DAY, Service
from pso_pipeline.sandbox.identifiers import Identifiers, Kind, Numbers
from pso_pipeline.sandbox.lives import STATE_BITS, Columns
from pso_pipeline.sandbox.versions import Flags, Integers, Versions

_SLOTS = 8
_MAIN, _EXTRA, _REBATE, _FEE, _ROOM, _BOARD, _TAX, _CHARGE = range(_SLOTS)
_TYPES = (
    "ProductOrder",
    "ProductOrder",
    "ProductOrderRebate",
    "CancellationFee",
    "SpaceOrder",
    "ProductOrder",
    "CityTax",
    "ServiceCharge",
)
_SHARES = (100, 25, 4, 35, 12, 12, 8, 5)
"""Of 100 orders for which the item of a slot is possible, how many have it."""

_OF_RESERVATIONS = (_ROOM, _BOARD, _TAX)
_OF_PRODUCTS = (_MAIN, _EXTRA, _BOARD)

_STARTED, _PROCESSED, _CANCELED = (STATES.index(name) for name in ("Started", "Processed", "Canceled"))
_ACCOUNTED = {"Confirmed": "Open", "Started": "Open", "Processed": "Closed", "Canceled": "Canceled"}

_VARIANTS = ((100, ""), (50, ", child"), (160, ", premium"))
"""The products that a service sells: percent of the usual price, and what is added to the service's name."""

_IN_THE_RATE = "Breakfast in the rate"
"""What the accommodation sells with a stay."""

_PRICES = {
    "Breakfast": 1800,
    "Parking": 2200,
    "Spa": 6500,
    "Airport transfer": 5500,
    "Late check-out": 3000,
    "Early check-in": 2500,
    "Half board": 3900,
    "Dinner": 4500,
    "Bicycle rental": 1500,
    "Extra bed": 4000,
    "Pet fee": 2000,
    "City tour": 3500,
    "Café gourmand": 950,
}
_OTHER_PRICE, _ROOM_PRICE, _TAX_PRICE, _CHARGE_PRICE = 1200, 12_000, 150, 300
"""In euro cents, with tax."""

_FOOD, _DRINK, _WELLNESS, _FEE_CLASS = "Food", "Beverage", "Wellness", "Fee"
_CLASSES = {
    _IN_THE_RATE: (_FOOD,),
    "Breakfast": (_FOOD,),
    "Half board": (_FOOD,),
    "Dinner": (_FOOD, _DRINK),
    "Café gourmand": (_FOOD, _DRINK),
    "Spa": (_WELLNESS,),
    "Pet fee": (_FEE_CLASS,),
    "Late check-out": (_FEE_CLASS,),
    "Early check-in": (_FEE_CLASS,),
}

_FOR_A_EURO = {
    "AED": 4,
    "ARS": 1000,
    "AUD": 1.65,
    "BRL": 6,
    "CAD": 1.5,
    "CHF": 0.95,
    "CZK": 25,
    "GBP": 0.86,
    "INR": 90,
    "ISK": 150,
    "JPY": 160,
    "MXN": 19,
    "NPR": 145,
    "NZD": 1.8,
    "PLN": 4.3,
    "SEK": 11.5,
    "SGD": 1.45,
    "USD": 1.08,
    "ZAR": 20,
}
_WITHOUT_CENTS = frozenset({"JPY", "ISK"})
_TAX_PERCENT = 21
_HOTEL_BITS = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Product:
    """One product of a service."""

    service: Service
    variant: int

    @property
    def number(self) -> int:
        """The number behind its id."""
        return (self.service.hotel.number << 16 | self.service.slot) << 4 | self.variant

    @property
    def kind(self) -> str:
        """What it is, by the catalogue."""
        return self.service.offer.name if self.service.offer else _IN_THE_RATE

    @property
    def name(self) -> str:
        """Its name, in the language of the hotel."""
        return (self.service.name if self.service.offer else _IN_THE_RATE) + _VARIANTS[self.variant][1]

    @property
    def price(self) -> int:
        """Its price in hundredths of the currency, with tax."""
        usual = _PRICES.get(self.kind, _OTHER_PRICE) * _VARIANTS[self.variant][0] // 100
        # every hotel has its own level of prices
        return _converted(usual * (80 + self.service.hotel.number * 7 % 50) // 100, self.service.hotel.city.currency)


def products_of(services: Iterable[Service]) -> list[Product]:
    """Every product of some services, service by service, three for each."""
    return [Product(service, variant) for service in services for variant in range(len(_VARIANTS))]


def product_record(product: Product, identifiers: Identifiers, service_id: str, enterprise_id: str) -> dict[str, Any]:
    """One product as the API sends it."""
    service, classes = product.service, _CLASSES.get(product.kind, ())
    return {
        "Id": identifiers.text(Kind.PRODUCT, product.number),
        "EnterpriseId": enterprise_id,
        "ServiceId": service_id,
        "CategoryId": identifiers.text(Kind.CATEGORY, service.hotel.number),
        "IsActive": service.ended is None,
        "Names": {service.hotel.city.language: product.name},
        "ChargingMode": "PerPersonPerTimeUnit" if service.offer and service.offer.overnight else "Once",
        "ConsumptionMoment": "Morning" if _FOOD in classes else "Evening",
        "Classifications": {name: name in classes for name in (_FOOD, _DRINK, _WELLNESS, "CityTax", _FEE_CLASS)},
        "Price": _amount(product.price, 1, service.hotel.city.currency),
        "CreatedUtc": times.text(service.created),
        "UpdatedUtc": times.text(service.updated),
    }


class ItemTable:
    """Items in arrays, made from the arrays of the orders; see `tables`.

    Args:
        orders: Columns of the orders, the numbers ascending.
        versions: Columns of their versions.
        identifiers: The ids of the world.
        services: Every service of the world, in the order of the column `service`.
    """

    def __init__(
        self, orders: Columns, versions: Columns, identifiers: Identifiers, services: Sequence[Service]
    ) -> None:
        self._orders, self._identifiers, self._services = orders, identifiers, services
        self._states = versions["flags"] & STATE_BITS
        self._order, self._changed = versions["order"], versions["changed"]
        self._hotel = np.array([service.hotel.number for service in services])
        self._announced = np.array([service.created for service in services])
        numbers = [service.hotel.number << 16 | service.slot for service in services]
        self._service_ids = identifiers.texts(Kind.SERVICE, numbers)
        self._enterprise_ids = identifiers.texts(Kind.ENTERPRISE, range(int(self._hotel.max()) + 1))
        self._rooms = np.zeros(len(self._enterprise_ids), dtype=np.int64)
        for place, service in enumerate(services):
            if service.offer is None:
                self._rooms[service.hotel.number] = place
        self._products = products_of(services)
        self._prices = [product.price for product in self._products]
        self._product_ids = identifiers.texts(Kind.PRODUCT, [product.number for product in self._products])
        self._consumed = self._consumption()
        places, slots = map(np.concatenate, zip(*map(self._versions_of, range(_SLOTS)), strict=True))
        keys = self._order[places].astype(np.uint64) * np.uint64(_SLOTS) + slots
        in_order = np.lexsort((places, keys))
        self._place = places[in_order].astype(np.uint32)
        self._keys, record = np.unique(keys[in_order], return_inverse=True)
        self.versions = Versions(record, self._changed[self._place])

    def record(self, id_: str, hotels: Flags) -> int | None:
        """The number of an item within some hotels; None for an unknown id."""
        known = self._identifiers.number(id_)
        if known is None or known[0] != Kind.ITEM:
            return None
        number, slot = divmod(known[1], _SLOTS)
        numbers = self._orders["number"]
        place = int(np.searchsorted(numbers, np.uint64(number)))
        if place == len(numbers) or numbers[place] != np.uint64(number):
            return None
        key = np.uint64(place * _SLOTS + slot)
        found = int(np.searchsorted(self._keys, key))
        is_there = found < len(self._keys) and self._keys[found] == key
        return found if is_there and hotels[self._hotel[self._orders["service"][place]]] else None

    def filter(self, query: Query, hotels: Flags, now: int) -> Callable[[Integers], Flags]:
        """Make the test for versions of some hotels that match a query.

        Raises:
            InvalidRequestError: The query names an id that does not exist or lies outside the hotels.
        """
        values = dict(query.values)
        wanted = hotels
        if ids := values.pop("EnterpriseIds", None):
            known = {id_ for id_, is_reached in zip(self._enterprise_ids, hotels, strict=True) if is_reached}
            if missing := ids - known:
                raise invalid("EnterpriseIds", min(missing))
            wanted = np.array([id_ in ids for id_ in self._enterprise_ids])
        services = wanted[self._hotel]
        tests: list[Callable[[Integers], Flags]] = []
        if ids := values.pop("ServiceIds", None):
            is_known = hotels[self._hotel] & (self._announced <= now)
            if missing := ids - {id_ for id_, known in zip(self._service_ids, is_known, strict=True) if known}:
                raise invalid("ServiceIds", min(missing))
            services &= np.array([id_ in ids for id_ in self._service_ids])
        tests.append(lambda versions: services[self._service(versions)])
        for name, kinds in _KINDS.items():
            if name in values and self._identifiers.numbers(values[name], kinds) is None:
                raise invalid(name)
        wishes: dict[str, Callable[[str], bool]] = {_FIELDS[name]: ids.__contains__ for name, ids in values.items()}
        for name, interval in query.intervals.items():
            if name != "UpdatedUtc":
                wishes[name] = lambda text, span=interval: span.contains(times.parse(text))  # type: ignore[misc]  # one for each interval
        if wishes:
            tests.append(lambda versions: self._fit(versions, wishes))
        return lambda versions: np.logical_and.reduce([test(versions) for test in tests])

    def write(self, versions: Integers) -> tuple[list[str], str | None]:
        """Each version as JSON, and the id of the last."""
        records = self._records(versions)
        texts = [msgspec.json.encode(record).decode() for record in records]
        return texts, records[-1]["Id"] if records else None

    def _consumption(self) -> Integers:
        """When what was ordered is consumed: at check-in, or when that would have been."""
        orders = self._orders
        after = np.maximum(orders["created"], orders["canceled"]).astype(np.int64)
        consumed = after + 7200 + (_mixed(orders["number"]) % np.uint64(25 * DAY)).astype(np.int64)
        started = np.flatnonzero(self._states == _STARTED)
        first, place = np.unique(self._order[started], return_index=True)
        consumed[first] = self._changed[started[place]]
        return consumed

    def _versions_of(self, slot: int) -> tuple[Integers, Numbers]:
        """Places of the versions of orders that have an item in a slot, and the slot for each."""
        has = _mixed(self._orders["number"] * np.uint64(_SLOTS) + np.uint64(slot)) % np.uint64(100) < _SHARES[slot]
        if slot in _OF_RESERVATIONS:
            has &= self._orders["reservation"] > 0
        chosen = has[self._order]
        if slot == _REBATE:
            chosen &= (self._states == _STARTED) | (self._states == _PROCESSED)
        if slot == _FEE:
            chosen &= self._states == _CANCELED
        places = np.flatnonzero(chosen)
        return places, np.full(len(places), slot, dtype=np.uint64)

    def _slots(self, versions: Integers) -> Integers:
        return (self._keys[self.versions.record[versions]] % np.uint64(_SLOTS)).astype(np.int64)

    def _service(self, versions: Integers) -> Integers:
        """The place of the service of each version's item: items of reservations are the accommodation's."""
        service = self._orders["service"][self._order[self._place[versions]]]
        return np.where(np.isin(self._slots(versions), _OF_RESERVATIONS), self._rooms[self._hotel[service]], service)

    def _fit(self, versions: Integers, wishes: dict[str, Callable[[str], bool]]) -> Flags:
        return np.array(
            [
                all(record[field] is not None and fits(record[field]) for field, fits in wishes.items())
                for record in self._records(versions)
            ],
            dtype=bool,
        )

    def _records(self, versions: Integers) -> list[dict[str, Any]]:
        if not len(versions):
            return []
        places = self._place[versions]
        order, slots, services = self._order[places], self._slots(versions), self._service(versions)
        columns = {name: column[order] for name, column in self._orders.items()}
        hotel = self._hotel[services].astype(np.uint64) << _HOTEL_BITS
        numbers = columns["number"] * np.uint64(_SLOTS)
        kinds = (Kind.CUSTOMER + columns["account_type"]).astype(np.uint64)
        ids = self._identifiers.texts
        sold, canceled = columns["service"].astype(np.int64), columns["canceled"]
        return [
            self._record(*values)
            for values in zip(
                ids(Kind.ITEM, numbers + slots.astype(np.uint64)),
                ids(Kind.ITEM, numbers),
                ids(Kind.ORDER, columns["number"]),
                ids(Kind.RESERVATION, hotel | columns["reservation"].astype(np.uint64)),
                ids(kinds, hotel | columns["account"].astype(np.uint64)),
                ids(Kind.BILL, columns["number"]),
                ids(Kind.PROFILE, hotel | columns["creator"].astype(np.uint64)),
                columns["account_type"].tolist(),
                slots.tolist(),
                services.tolist(),
                sold.tolist(),
                _mixed(columns["number"]).tolist(),
                self._states[places].tolist(),
                _texts(columns["created"]),
                [text if moment else "" for text, moment in zip(_texts(canceled), canceled.tolist(), strict=True)],
                _texts(self._consumed[order]),
                _texts(self._changed[places]),
                strict=True,
            )
        ]

    def _record(  # noqa: PLR0917 - one argument for each array
        self,
        id_: str,
        main_id: str,
        order_id: str,
        reservation_id: str,
        account_id: str,
        bill_id: str,
        profile_id: str,
        account_type: int,
        slot: int,
        service: int,
        sold: int,
        mixed: int,
        state: int,
        created: str,
        canceled: str,
        consumed: str,
        changed: str,
    ) -> dict[str, Any]:
        """One item as the API sends it."""
        variants = len(_VARIANTS)
        product = (service if slot == _BOARD else sold) * variants + (mixed + slot) % variants
        currency = self._services[service].hotel.city.currency
        price, count = self._prices[product], 1 + mixed % 3
        if slot in (_REBATE, _FEE):
            whole = self._prices[sold * variants + mixed % variants] * count
            price, count = (-whole * (10 + mixed % 40) // 100 if slot == _REBATE else whole // 2), 1
            product = sold * variants + mixed % variants
        elif slot not in _OF_PRODUCTS:
            price = _converted({_ROOM: _ROOM_PRICE, _TAX: _TAX_PRICE, _CHARGE: _CHARGE_PRICE}[slot], currency)
        amounts = {"UnitAmount": _written(price, 1, currency), "Amount": _written(price, count, currency)}
        accounted = "Open" if slot == _FEE else _ACCOUNTED.get(STATES[state], "Inactive")
        data: dict[str, Any] | None = None
        if slot in _OF_PRODUCTS:
            sold_product = {"ProductId": self._product_ids[product], "AgeCategoryId": None, "ProductType": "Product"}
            data = {"Discriminator": "Product", "Product": sold_product}
        elif slot == _REBATE:
            rebate = {"ProductId": self._product_ids[product], "RebatedItemId": main_id}
            data = {"Discriminator": "Rebate", "Rebate": rebate}
        return {
            "Id": id_,
            "EnterpriseId": self._enterprise_ids[self._hotel[service]],
            "ServiceId": self._service_ids[service],
            "ServiceOrderId": reservation_id if slot in _OF_RESERVATIONS else order_id,
            "AccountId": account_id,
            "AccountType": ACCOUNT_TYPES[account_type],
            "BillId": bill_id if accounted == "Closed" else None,
            "AccountingCategoryId": None,
            "Notes": "A table by the window" if mixed % 50 == 0 else None,
            "BillingName": self._products[product].name if slot in _OF_PRODUCTS else _TYPES[slot],
            "ExternalIdentifier": None,
            "UnitCount": count,
            **amounts,
            "OriginalAmount": amounts["Amount"],
            "RevenueType": "Service" if slot == _ROOM else "Product" if slot in _OF_PRODUCTS else "Additional",
            "CreatorProfileId": profile_id,
            "UpdaterProfileId": profile_id,
            "CreatedUtc": canceled or created if slot == _FEE else consumed if slot == _REBATE else created,
            "UpdatedUtc": changed,
            "ConsumedUtc": canceled or consumed if slot == _FEE else consumed,
            "CanceledUtc": canceled or None if accounted == "Canceled" else None,
            "ClosedUtc": changed if accounted == "Closed" else None,
            "StartUtc": consumed if slot == _ROOM else None,
            "ClaimedUtc": None,
            "AccountingState": accounted,
            "Type": _TYPES[slot],
            "Options": {"CanceledWithReservation": accounted == "Canceled" and slot in _OF_RESERVATIONS},
            "Data": data,
            "TaxExemptionReason": None,
            "TaxExemptionLegalReference": None,
        }


_FIELDS = {
    "OrderItemIds": "Id",
    "ServiceOrderIds": "ServiceOrderId",
    "BillIds": "BillId",
    "AccountIds": "AccountId",
    "AccountingStates": "AccountingState",
    "Types": "Type",
}
_KINDS = {
    "OrderItemIds": [Kind.ITEM],
    "ServiceOrderIds": [Kind.ORDER, Kind.RESERVATION],
    "BillIds": [Kind.BILL],
    "AccountIds": [Kind.CUSTOMER, Kind.COMPANY],
}


def _converted(cents: int, currency: str) -> int:
    """An amount in euro cents in hundredths of a currency, as prices are: without odd cents."""
    step = 100 if currency in _WITHOUT_CENTS else 10
    return max(step, round(cents * _FOR_A_EURO.get(currency, 1)) // step * step)


def _amount(unit: int, count: int, currency: str) -> dict[str, Any]:
    """The amount for a number of units, from the price of one with tax."""
    step = 100 if currency in _WITHOUT_CENTS else 1
    gross, net = unit * count, round(unit * 100 / (100 + _TAX_PERCENT) / step) * step * count
    code = f"VAT-{_TAX_PERCENT}"
    return {
        "Currency": currency,
        "NetValue": net / 100,
        "GrossValue": gross / 100,
        "TaxValues": [{"Code": code, "Value": (gross - net) / 100}],
        "Breakdown": {"Items": [{"TaxRateCode": code, "NetValue": net / 100, "TaxValue": (gross - net) / 100}]},
    }


@lru_cache(maxsize=50_000)
def _written(unit: int, count: int, currency: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(_amount(unit, count, currency)))


def _texts(moments: Integers) -> list[str]:
    texts: list[str] = np.datetime_as_string(moments.astype("datetime64[s]"), timezone="UTC").tolist()
    return texts


def _mixed(numbers: Integers) -> Numbers:
    """A number that looks random for each number, always the same one."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ mixed >> np.uint64(32)) * np.uint64(0xD6E8FEB86659FD93)
    return mixed ^ mixed >> np.uint64(32)
