"""What sets services apart, as arrays by the number of the service, and the local time of their hotels.

Taken from `hotels` and `offers`, so that thousands of services are drawn from at once. Nothing is drawn here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from pso_pipeline.sandbox.generated.offers import Service
from pso_pipeline.sandbox.generated.orders import DAY, Integers, Reals

_ALWAYS_OPEN = 0
_NEVER_CLOSED = 1 << 30


class Traits:
    """Arrays by the number of the service.

    Attributes:
        hotel: Number of the hotel.
        opens: First month in which it is ordered (`month_number`).
        closes: Month from which it is ordered no more.
        weight: Share of the world's orders, as long as it is open.
        pace: Days of an order's life for one day of a room booking's life.
        linked: Share of orders that belong to a reservation.
        overnight: Whether it lasts from check-in to check-out.
        cancellation: Factor on the chance that an order is canceled.
        growth: Yearly growth of the hotel's share, as a logarithm.
        resort: Whether the hotel is a resort.
        kiosk: Share of check-ins through the API.
        channel: Factor on the share of orders from the channel manager.
        local_time: The hotels' local time.

    Args:
        services: Every service, in the order of their numbers.
        first_day: Before which no local time is asked for (days since 1970).
    """

    def __init__(self, services: Sequence[Service], first_day: int) -> None:
        hotels = [service.hotel for service in services]
        offers = [service.offer for service in services]
        self.hotel = np.array([hotel.number for hotel in hotels])
        self.opens = np.array([service.opens or _ALWAYS_OPEN for service in services])
        self.closes = np.array([service.closes or _NEVER_CLOSED for service in services])
        self.pace = np.array([offer.pace if offer else 1.0 for offer in offers])
        self.linked = np.array([offer.linked if offer else 0.0 for offer in offers])
        self.overnight = np.array([bool(offer and offer.overnight) for offer in offers])
        self.cancellation = np.array([hotel.cancellation for hotel in hotels])
        self.cancellation *= [offer.cancellation if offer else 0.0 for offer in offers]
        self.growth = np.array([hotel.growth for hotel in hotels])
        self.resort = np.array([hotel.is_resort for hotel in hotels])
        self.kiosk = np.array([hotel.kiosk for hotel in hotels])
        self.channel = np.array([hotel.channel for hotel in hotels])
        self.local_time = LocalTime([hotel.city.zone for hotel in hotels], first_day)
        self._amplitude = np.array([hotel.city.seasonal for hotel in hotels])
        self._busiest = np.array([hotel.city.busiest_month - 1 for hotel in hotels])
        popularity = np.array([offer.popularity if offer else 0.0 for offer in offers])
        of_hotel = np.bincount(self.hotel, popularity * self.is_lasting)
        self.weight = np.array([hotel.size for hotel in hotels]) * popularity / of_hotel[self.hotel]

    @property
    def is_lasting(self) -> Integers:
        """1 for a service that is sold all the time, 0 for an offer of one season."""
        lasting: Integers = (self.opens == _ALWAYS_OPEN).astype(np.int64)
        return lasting

    def season(self, month: int) -> Reals:
        """How much busier than on average each hotel is in a month (`month_number`)."""
        return 1 + self._amplitude * np.cos(2 * np.pi * (month % 12 - self._busiest) / 12)


class LocalTime:
    """UTC offsets of the hotels, by the day: changes of the clock take effect at midnight.

    Args:
        zones: IANA time zone of each service's hotel.
        first_day: First day known (days since 1970); later than the last known it stays as it was.
    """

    _DAYS = 14 * 366

    def __init__(self, zones: Sequence[str], first_day: int) -> None:
        names = sorted(set(zones))
        places = {name: place for place, name in enumerate(names)}
        self._zone = np.array([places[zone] for zone in zones])
        self._first_day = first_day
        noons = [datetime.fromtimestamp((first_day + day) * DAY + DAY // 2, UTC) for day in range(self._DAYS)]
        self._offsets = np.array(
            [
                [(noon.astimezone(zone).utcoffset() or timedelta()) // timedelta(seconds=1) for noon in noons]
                for zone in map(ZoneInfo, names)
            ]
        )

    def local(self, moments: Reals | Integers, services: Integers) -> Integers:
        """Local clock readings, as seconds since 1970, of some moments at the hotels of some services."""
        whole = np.floor(moments).astype(np.int64)
        return whole + self._offset(whole // DAY, services)

    def utc(self, days: Integers, seconds: Integers, services: Integers) -> Integers:
        """Moments of a local day (days since 1970) and second of the day at the hotels of some services."""
        return days * DAY + seconds - self._offset(days, services)

    def _offset(self, days: Integers, services: Integers) -> Integers:
        offsets: Integers = self._offsets[self._zone[services], np.clip(days - self._first_day, 0, self._DAYS - 1)]
        return offsets
