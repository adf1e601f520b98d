"""Orders as JSON, a page at a time in a few array operations.

Every order is one record of bytes, each field as wide as it can be. What a field leaves over stays zero and is dropped
at the end, since JSON text holds no zero bytes. The fields and their order are the documentation's.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pso_pipeline.sandbox.contract import ACCOUNT_TYPES, COMMANDER_ORIGINS, ORIGINS, STATES
from pso_pipeline.sandbox.generated.identifiers import ID_LENGTH, Identifiers, Kind, Numbers, Texts
from pso_pipeline.sandbox.generated.ledger import Found
from pso_pipeline.sandbox.generated.orders import (
    ALL_COMPANIONS,
    ANY_COMPANION,
    CONNECTOR,
    DAY,
    ORIGIN_DETAILS,
    OWNER,
    PROFILES,
    SEGMENTS,
    SHOWS_CANCELLATION,
    STATE_BITS,
    VOUCHERS,
    Integers,
)

_NULL = b"null"
_DIGITS = 10
_DATE, _TIME = len("2000-01-01"), len("00:00:00")
_MOMENT = _DATE + len("T") + _TIME + len("Z")
_FIRST_DATE, _END_DATE = "2010-01-01", "2100-01-01"
_OPTIONS = {
    "OwnerCheckedIn": OWNER,
    "AllCompanionsCheckedIn": ALL_COMPANIONS,
    "AnyCompanionCheckedIn": ANY_COMPANION,
    "ConnectorCheckIn": CONNECTOR,
}
_OPTION_BITS = OWNER | ALL_COMPANIONS | ANY_COMPANION | CONNECTOR


def within_hotel(hotel: Integers, number: npt.NDArray[Any]) -> Numbers:
    """The number behind the id of a thing that belongs to a hotel."""
    return hotel.astype(np.uint64) << np.uint64(32) | number.astype(np.uint64)


class OrderWriter:
    """Writes orders of one world.

    Args:
        identifiers: The ids of the world.
        service_ids: Id of each service, by its number.
        hotel_of: Hotel number of each service.
    """

    def __init__(self, identifiers: Identifiers, service_ids: Sequence[str], hotel_of: Integers) -> None:
        self._identifiers = identifiers
        self._hotel_of = hotel_of
        hotels = int(hotel_of.max()) + 1
        days = np.arange(_FIRST_DATE, _END_DATE, dtype="datetime64[D]")
        self._first_day = np.uint32(days[0].astype(np.int64))
        self._dates = _elements(days.astype(f"S{_DATE}"))
        times = np.arange(DAY).astype("datetime64[s]").astype("S19").view(np.uint8).reshape(DAY, 19)
        self._times = np.ascontiguousarray(times[:, -_TIME:]).view(f"V{_TIME}").ravel()
        self._tables = {
            "ServiceId": _json(service_ids),
            "AccountType": _json(ACCOUNT_TYPES),
            "CreatorProfileId": _ids(identifiers, Kind.PROFILE, hotels, PROFILES),
            "State": _json(STATES),
            "Origin": _json(ORIGINS),
            "CommanderOrigin": _json((None, *COMMANDER_ORIGINS)),
            "OriginDetails": _json(ORIGIN_DETAILS),
            "VoucherId": _ids(identifiers, Kind.VOUCHER, hotels, VOUCHERS, null_first=True),
            "BusinessSegmentId": _ids(identifiers, Kind.SEGMENT, hotels, SEGMENTS, null_first=True),
            "Options": _json(
                {name: bool(flags & bit) for name, bit in _OPTIONS.items()} for flags in range(_OPTION_BITS + 1)
            ),
        }
        layout = _Layout()
        layout.add_quoted("Id", ID_LENGTH)
        layout.add("ServiceId", self._tables["ServiceId"].itemsize)
        layout.add_quoted("AccountId", ID_LENGTH)
        layout.add("AccountType", self._tables["AccountType"].itemsize)
        layout.add("CreatorProfileId", self._tables["CreatorProfileId"].itemsize)
        layout.add("UpdaterProfileId", self._tables["CreatorProfileId"].itemsize)
        layout.add_quoted("BookerId", ID_LENGTH)
        layout.add_quoted("Number", _DIGITS)
        for name in ("State", "Origin", "CommanderOrigin", "OriginDetails"):
            layout.add(name, self._tables[name].itemsize)
        for name in ("CreatedUtc", "UpdatedUtc", "CancelledUtc"):
            layout.add_moment(name)
        layout.add("VoucherId", self._tables["VoucherId"].itemsize)
        layout.add("BusinessSegmentId", self._tables["BusinessSegmentId"].itemsize)
        layout.add_quoted("LinkedReservationId", ID_LENGTH)
        layout.add("Options", self._tables["Options"].itemsize)
        self._row, self._template = layout.row()

    def write(self, found: Found) -> tuple[bytearray, str | None]:
        """JSON of the orders, comma-separated, and the id of the last."""
        orders, events = found.orders, found.events
        if not len(orders):
            return bytearray(), None
        flags = events["flags"]
        hotel = self._hotel_of[orders["service"]]
        text = bytearray(self._template)
        text *= len(orders)
        rows = np.frombuffer(text, dtype=self._row)
        last_id = self._put_computed_ids(rows, found, hotel)
        chosen = {
            "ServiceId": orders["service"],
            "AccountType": orders["account_type"],
            "CreatorProfileId": hotel * PROFILES + orders["creator"],
            "State": flags & STATE_BITS,
            "Origin": orders["origin"],
            "CommanderOrigin": orders["commander_origin"],
            "OriginDetails": orders["origin_details"],
            "VoucherId": hotel * (VOUCHERS + 1) + orders["voucher"],
            "BusinessSegmentId": hotel * (SEGMENTS + 1) + orders["segment"],
            "Options": flags & _OPTION_BITS,
        }
        for name, places in chosen.items():
            rows[name] = self._tables[name].take(places)
        rows["UpdaterProfileId"] = self._tables["CreatorProfileId"].take(hotel * PROFILES + events["updater"])
        rows["Number"] = _decimal(orders["confirmation"])
        self._put_moments(rows, "CreatedUtc", orders["created"])
        self._put_moments(rows, "UpdatedUtc", events["time"])
        self._put_moments(rows, "CancelledUtc", orders["canceled"])
        _put_null(rows, "CancelledUtc", flags & SHOWS_CANCELLATION == 0)
        _put_null(rows, "BookerId", orders["booker"] == 0)
        _put_null(rows, "LinkedReservationId", orders["reservation"] == 0)
        # The comma before the first.
        text[0] = 0
        return text.translate(None, b"\0"), last_id

    def _put_computed_ids(self, rows: Texts, found: Found, hotel: Integers) -> str:
        """Put what only the permutation knows; returns the id of the last order."""
        orders, count = found.orders, len(found.orders)
        account_kinds = Kind.CUSTOMER + orders["account_type"] * np.uint8(Kind.COMPANY - Kind.CUSTOMER)
        kinds = np.repeat(np.array([Kind.ORDER, 0, Kind.CUSTOMER, Kind.RESERVATION], dtype=np.uint8), count)
        kinds[count : 2 * count] = account_kinds
        numbers = [
            orders["number"],
            within_hotel(hotel, orders["account"]),
            within_hotel(hotel, orders["booker"] - np.uint32(1)),
            within_hotel(hotel, orders["reservation"]),
        ]
        ids = self._identifiers.rows(kinds, np.concatenate(numbers)).reshape(len(numbers), count)
        for name, column in zip(("Id", "AccountId", "BookerId", "LinkedReservationId"), ids, strict=True):
            rows[name] = column
        return bytes(ids[0, -1]).decode()

    def _put_moments(self, rows: Texts, name: str, moments: npt.NDArray[np.uint32]) -> None:
        days, seconds = np.divmod(moments, np.uint32(DAY))
        rows[f"{name} date"] = self._dates.take(np.maximum(days, self._first_day) - self._first_day)
        rows[f"{name} time"] = self._times.take(seconds)


class _Layout:
    """One order's JSON as it is put together, field by field.

    A quoted field is named twice: without its quotation marks, and with them as `<name> or null`.
    """

    def __init__(self) -> None:
        self._text = b",{"
        self._fields: dict[str, tuple[str, int]] = {}

    def add(self, name: str, width: int) -> None:
        """A field whose value is JSON of up to this width."""
        self._begin(name)
        self._put(name, width)
        self._text += bytes(width)

    def add_quoted(self, name: str, width: int) -> None:
        """A field whose value is text of up to this width, or null."""
        self._begin(name)
        self._put(f"{name} or null", width + 2)
        self._text += b'"'
        self._put(name, width)
        self._text += bytes(width) + b'"'

    def add_moment(self, name: str) -> None:
        """A field whose value is a date-time, or null."""
        self._begin(name)
        self._put(f"{name} or null", _MOMENT + 2)
        self._text += b'"'
        self._put(f"{name} date", _DATE)
        self._text += bytes(_DATE) + b"T"
        self._put(f"{name} time", _TIME)
        self._text += bytes(_TIME) + b'Z"'

    def row(self) -> tuple[np.dtype[np.void], bytes]:
        """The record type of an order's JSON, and the text that all orders share."""
        text = self._text + b"}"
        row = np.dtype(
            {
                "names": list(self._fields),
                "formats": [format_ for format_, _ in self._fields.values()],
                "offsets": [offset for _, offset in self._fields.values()],
                "itemsize": len(text),
            }
        )
        return row, text

    def _begin(self, name: str) -> None:
        self._text += b'%s"%s":' % (b"," if self._fields else b"", name.encode())

    def _put(self, name: str, width: int) -> None:
        self._fields[name] = (f"V{width}", len(self._text))


def _json(values: Iterable[Any]) -> Texts:
    """JSON of some values."""
    texts = [json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() for value in values]
    return _elements(np.array(texts))


def _ids(identifiers: Identifiers, kind: Kind, hotels: int, of_each: int, *, null_first: bool = False) -> Texts:
    """JSON of the ids of so many things of each hotel, hotel by hotel; before those of each a null, if asked for."""
    of_each += null_first
    hotel, thing = np.divmod(np.arange(hotels * of_each), of_each)
    quoted = np.char.add(np.char.add(b'"', identifiers.rows(kind, within_hotel(hotel, thing)).view("S36")), b'"')
    if null_first:
        quoted[::of_each] = _NULL
    return _elements(quoted)


def _elements(texts: npt.NDArray[np.bytes_]) -> Texts:
    return texts.view(f"V{texts.itemsize}")


def _put_null(rows: Texts, name: str, where: npt.NDArray[np.bool_]) -> None:
    values = rows[f"{name} or null"]
    values[where] = np.frombuffer(_NULL.ljust(values.itemsize, b"\0"), dtype=values.dtype)


def _decimal(numbers: npt.NDArray[np.uint32]) -> Texts:
    """Decimal digits without leading zeros: those stay zero bytes."""
    powers = 10 ** np.arange(_DIGITS - 1, -1, -1, dtype=np.int64)
    quotients = numbers.astype(np.int64)[:, None] // powers
    digits = np.where(quotients > 0, quotients % 10 + ord("0"), 0).astype(np.uint8)
    return digits.view(f"V{_DIGITS}").ravel()
