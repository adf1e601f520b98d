"""The form in which orders are held: one record each, and one for each of their events.

Belongs here: record types, what their codes mean, and putting batches together. Drawing orders is in `demand` and
`lives`, searching them in `ledger`, writing them in `rendering`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pso_pipeline.sandbox.contract import ORIGINS, STATES

Integers = npt.NDArray[np.integer[Any]]
Reals = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.void]

DAY = 86400

# 48 bytes an order and 8 an event: a million orders with their indexes stay below 200 MB.
ORDER = np.dtype(
    [
        ("number", np.uint64),
        ("service", np.uint32),
        ("created", np.uint32),
        ("canceled", np.uint32),
        ("confirmation", np.uint32),
        ("first_event", np.uint32),
        ("account", np.uint32),
        ("booker", np.uint32),
        ("reservation", np.uint32),
        ("account_type", np.uint8),
        ("origin", np.uint8),
        ("commander_origin", np.uint8),
        ("origin_details", np.uint8),
        ("voucher", np.uint8),
        ("segment", np.uint8),
        ("creator", np.uint8),
        ("events", np.uint8),
    ]
)
EVENT = np.dtype([("time", np.uint32), ("flags", np.uint16), ("updater", np.uint8), ("unused", np.uint8)])

# Flags of an event say what the order is from then on: its state, its check-ins, and whether a cancellation shows.
STATE_BITS = 0b111
OWNER, ALL_COMPANIONS, ANY_COMPANION, CONNECTOR = (1 << bit for bit in range(3, 7))
SHOWS_CANCELLATION = 1 << 7

INQUIRED, CONFIRMED, STARTED, PROCESSED, CANCELED, OPTIONAL, REQUESTED = range(len(STATES))
DISTRIBUTOR, CHANNEL, COMMANDER, IMPORT, API, NAVIGATOR = range(len(ORIGINS))
CUSTOMER, COMPANY = range(2)

ORIGIN_DETAILS = (None, "Booking.com", "Expedia", "Hotelbeds", "Agoda", "Trip.com", "Website", "Kiosk", "Guest app")
VOUCHERS = 12
SEGMENTS = 6
PROFILES = 16


@dataclass(frozen=True, slots=True)
class Batch:
    """Orders, and their events: those of one order follow each other in time.

    `first_event` and `events` of an order say which of the events are its own.
    """

    orders: Rows
    events: Rows


def joined(batches: Iterable[Batch]) -> Batch:
    """Several batches, or none, as one.

    The bytes are appended as they come: with the batches of a million orders held side by side, memory that was freed
    stayed with the process, 140 MB of it.
    """
    orders, events = bytearray(), bytearray()
    for batch in batches:
        batch.orders["first_event"] += np.uint32(len(events) // EVENT.itemsize)
        orders += batch.orders.tobytes()
        events += batch.events.tobytes()
    return Batch(np.frombuffer(orders, dtype=ORDER), np.frombuffer(events, dtype=EVENT))
