"""The services that the hotels of a generated world sell.

The catalogue is data kept here, with what makes one service's orders unlike another's. The orders themselves are drawn
in `demand`. What is drawn here depends on the seed and the hotel's number alone, and no id depends on when a world
begins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from pso_pipeline.sandbox import times
from pso_pipeline.sandbox.generated.hotels import Hotel

# How many summers after the first a world knows its season offers in advance.
_SEASONS_AHEAD = 8
_SEASON_SLOT = 100


@dataclass(frozen=True, slots=True)
class Offer:
    """One entry of the catalogue.

    Attributes:
        popularity: Share of a hotel's orders, relative to its other services.
        presence: Share of the hotels that sell it.
        pace: Days of these orders' lives for one day of a room booking's life.
        cancellation: Factor on the chance that an order is canceled.
        linked: Share of orders that belong to a reservation.
        overnight: Whether it lasts from check-in to check-out, or an hour or two.
    """

    name: str
    popularity: float
    presence: float
    pace: float
    cancellation: float
    linked: float
    overnight: bool


CATALOGUE = (
    Offer("Breakfast", 0.30, 1.0, 0.12, 0.9, 0.8, overnight=True),
    Offer("Parking", 0.16, 0.7, 0.10, 0.95, 0.75, overnight=True),
    Offer("Spa", 0.10, 0.35, 0.07, 1.1, 0.35, overnight=False),
    Offer("Airport transfer", 0.07, 0.35, 0.15, 1.05, 0.7, overnight=False),
    Offer("Late check-out", 0.08, 0.4, 0.05, 0.75, 0.95, overnight=False),
    Offer("Early check-in", 0.05, 0.25, 0.06, 0.8, 0.95, overnight=False),
    Offer("Half board", 0.08, 0.2, 0.35, 1.15, 0.9, overnight=True),
    Offer("Dinner", 0.08, 0.3, 0.05, 1.0, 0.4, overnight=False),
    Offer("Bicycle rental", 0.04, 0.15, 0.06, 1.0, 0.5, overnight=False),
    Offer("Extra bed", 0.03, 0.25, 0.2, 1.1, 1.0, overnight=True),
    Offer("Pet fee", 0.02, 0.2, 0.15, 0.95, 1.0, overnight=True),
    Offer("City tour", 0.04, 0.15, 0.1, 1.2, 0.4, overnight=False),
    Offer("Café gourmand", 0.04, 0.1, 0.05, 1.0, 0.5, overnight=False),
)
_SEASON_OFFER = Offer("Season terrace", 0.15, 1.0, 0.08, 1.1, 0.3, overnight=False)


@dataclass(frozen=True, slots=True)
class Service:
    """One service of one hotel.

    Attributes:
        slot: Its place within the hotel; ids are made from it.
        offer: What is sold; None is the accommodation, which is booked with reservations.
        opens: First month in which it is ordered, counted as `month_number`; None where it always was.
        closes: Month in which it is ordered no more.
        created: Seconds since 1970.
        updated: Seconds since 1970, apart from what closing it changes.
    """

    hotel: Hotel
    slot: int
    name: str
    offer: Offer | None
    opens: int | None
    closes: int | None
    created: int
    updated: int

    @property
    def ended(self) -> int | None:
        """When it became inactive, in seconds since 1970: a day after its last month, over in every time zone."""
        return None if self.closes is None else month_start(self.closes) + 86400


def services(seed: int, sellers: Iterable[Hotel], first_year: int, each_sells: int | None = None) -> list[Service]:
    """Every service of some hotels, hotel by hotel, season offers from the first year on.

    With `each_sells` every hotel sells so many of the catalogue, the same everywhere, and no season offers.
    """
    return [service for hotel in sellers for service in _services_of(seed, hotel, first_year, each_sells)]


def month_number(moment: int) -> int:
    """Months since the year 0 of the month in which an instant lies, UTC."""
    date = datetime.fromtimestamp(moment, UTC)
    return date.year * 12 + date.month - 1


def month_start(month: int) -> int:
    """First instant of a month, in seconds since 1970."""
    return times.seconds(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC))


def _services_of(seed: int, hotel: Hotel, first_year: int, each_sells: int | None) -> list[Service]:
    draw = np.random.default_rng([seed, 3, hotel.number])
    # The first hotels, which every demo shows, sell more.
    presence = 2.0 if hotel.number < 5 else 1.0
    sold: list[tuple[int, Offer | None]] = [(0, None)]
    sold += [
        (slot, offer)
        for slot, offer in enumerate(CATALOGUE, start=1)
        if draw.random() < offer.presence * (presence + 0.3 * hotel.is_resort)
    ]
    if each_sells is not None:
        sold = list(enumerate([None, *CATALOGUE[:each_sells]]))
    opened = month_start(2016 * 12) + int(draw.integers(0, 5 * 365)) * 86400 + 32_400
    found = [
        Service(
            hotel,
            slot,
            "Accommodation" if offer is None else offer.name,
            offer,
            None,
            None,
            created=opened + slot * 3600,
            updated=opened + int(draw.integers(1, 365)) * 86400,
        )
        for slot, offer in sold
    ]
    if hotel.has_season_offer and each_sells is None:
        found += [_season_offer(hotel, year) for year in range(first_year, first_year + _SEASONS_AHEAD)]
    return found


def _season_offer(hotel: Hotel, year: int) -> Service:
    busiest = year * 12 + hotel.city.busiest_month - 1
    announced = month_start(busiest - 3) + hotel.number % 28 * 86400 + 36_000
    return Service(
        hotel,
        _SEASON_SLOT + year,
        f"{_SEASON_OFFER.name} {year}",
        _SEASON_OFFER,
        opens=busiest - 2,
        closes=busiest + 3,
        created=announced,
        updated=announced,
    )
