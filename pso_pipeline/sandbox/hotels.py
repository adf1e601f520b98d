"""The hotels of a generated world and what they sell.

Cities, names and the catalogue of services are data in the CSV files of this folder. All that is drawn here depends on
the seed and the hotel's number alone, so a world of five hotels is the beginning of a world of thousands, and no id
depends on the day on which a world begins. `lives` draws the orders, `records` writes hotels and services as JSON.
"""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

DAY = 86400

_SEASON_SLOT = 100
_SEASONS_AHEAD = 8


@dataclass(frozen=True, slots=True)
class City:
    """A place with hotels.

    Attributes:
        code: Three letters for external identifiers.
        speech: Which rows of `names.csv` its hotels are named from.
        language: Default language code.
        seasonal: How far the busiest month lies above the average (0.3 is 30 %).
        busiest_month: 1 to 12.
    """

    name: str
    code: str
    country: str
    zone: str
    speech: str
    language: str
    currency: str
    latitude: float
    longitude: float
    seasonal: float
    busiest_month: int


@dataclass(frozen=True, slots=True)
class Hotel:
    """One hotel.

    Attributes:
        number: Its place in the world, from 0.
        is_resort: Guests come for the weekend and the season instead of the working week.
        size: Share of the world's orders relative to an average hotel.
        cancellation: Factor on the chance that an order is canceled.
        kiosk: Share of check-ins that go through the API (kiosk or app).
        channel: Factor on the share of orders that come through the channel manager.
        growth: Yearly growth of its share, as a logarithm.
    """

    number: int
    name: str
    city: City
    chain: int
    is_resort: bool
    size: float
    cancellation: float
    kiosk: float
    channel: float
    growth: float


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


@dataclass(frozen=True, slots=True)
class Service:
    """One service of one hotel.

    Attributes:
        slot: Its place within the hotel; the id is made from it.
        offer: What is sold; None for the accommodation, which guests book by reservations.
        opens: First month of orders, counted as `month_number`; None for a service that was always sold.
        closes: First month without orders; None for a service that stays.
        created: Seconds since 1970.
        updated: Seconds since 1970, without the change that closing makes.
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
        """When it became inactive: a day after its last month, which is over in every time zone by then."""
        return None if self.closes is None else month_start(self.closes) + DAY


def _rows(name: str) -> list[dict[str, str]]:
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _city(row: dict[str, str]) -> City:
    figures = {name: float(row.pop(name)) for name in ("latitude", "longitude", "seasonal")}
    return City(busiest_month=int(row.pop("busiest_month")), **row, **figures)  # type: ignore[arg-type]


def _offer(row: dict[str, str]) -> Offer:
    name, overnight = row.pop("name"), bool(int(row.pop("overnight")))
    return Offer(name=name, overnight=overnight, **{each: float(value) for each, value in row.items()})


CITIES = tuple(map(_city, _rows("cities.csv")))
CATALOGUE = tuple(map(_offer, _rows("offers.csv")))
CHAINS = (
    "Meridian & Oak",
    "Bohemia Grand Hotels",
    "Lumière Collection",
    "Harbour Stays",
    "Nordlys Hotels",
    "Casa Alegría",
    "Stadtpark Hotels",
    "Pacific Crest Resorts",
    "Albergo Diffuso Italia",
    "Kirin Hospitality",
    "Independent Stay",
    "Öresund Rooms",
)
_NAMES = {row.pop("speech"): [words.split("|") for words in row.values()] for row in _rows("names.csv")}
_SEASON_OFFER = Offer("Season terrace", 0.15, 1.0, 0.08, 1.1, 0.3, overnight=False)

# Name, chain, resort, size, cancellation, kiosk, channel: the five hotels of the demo differ visibly.
_FIRST = (
    ("Hotel Zlatá Hvězda", 1, False, 1.3, 1.0, 0.25, 1.0),
    ("The Albion Court", 0, False, 1.5, 1.2, 0.45, 1.1),
    ("Hudson & Pine", 0, False, 1.0, 1.35, 0.35, 1.3),
    ("Harbour Light Hotel", 3, False, 0.75, 0.85, 0.15, 0.8),
    ("Hale Kōnane Resort", 7, True, 0.45, 0.65, 0.05, 0.6),
)


def month_number(moment: int) -> int:
    """Months since the year 0 of the month in which an instant lies, UTC."""
    date = datetime.fromtimestamp(moment, UTC)
    return date.year * 12 + date.month - 1


def month_start(month: int) -> int:
    """First instant of a month, in seconds since 1970."""
    return int(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp())


def hotels(seed: int, count: int) -> list[Hotel]:
    """The first so many hotels of a world."""
    return [_hotel(seed, number) for number in range(count)]


def services(seed: int, sellers: Iterable[Hotel], first_year: int, each_sells: int | None = None) -> list[Service]:
    """Every service of some hotels, hotel by hotel, season offers from the first year on.

    With `each_sells`, every hotel sells the first so many offers of the catalogue and no season offers.
    """
    return [service for hotel in sellers for service in _services_of(seed, hotel, first_year, each_sells)]


def _hotel(seed: int, number: int) -> Hotel:
    city = CITIES[number % len(CITIES)]
    draw = np.random.default_rng([seed, 2, number])
    growth = float(draw.normal(0.05, 0.12))
    if number < len(_FIRST):
        name, chain, is_resort, size, cancellation, kiosk, channel = _FIRST[number]
        return Hotel(number, name, city, chain, is_resort, size, cancellation, kiosk, channel, growth)
    return Hotel(
        number=number,
        name=_name(number, city),
        city=city,
        chain=int(draw.integers(len(CHAINS))),
        is_resort=bool(draw.random() < 0.3),
        size=float(draw.lognormal(0, 0.5)),
        cancellation=float(draw.uniform(0.6, 1.4)),
        kiosk=float(draw.beta(1.5, 6)),
        channel=float(draw.uniform(0.5, 1.4)),
        growth=growth,
    )


def _name(number: int, city: City) -> str:
    """A name that no other hotel of the world has.

    The cities of one language take turns through its names; then the city's name is added.
    """
    speakers = [each for each in CITIES if each.speech == city.speech]
    turn = number // len(CITIES) * len(speakers) + speakers.index(city)
    patterns, firsts, seconds = _NAMES[city.speech]
    total = len(patterns) * len(firsts) * len(seconds)
    cycle, place = divmod(turn, total)
    # A step without a common factor with the total reaches every name once.
    step = next(step for step in range(round(total * 0.618), total) if math.gcd(step, total) == 1)
    place, pattern = divmod(place * step % total, len(patterns))
    second, first = divmod(place, len(firsts))
    name = patterns[pattern].format(firsts[first], seconds[second])
    return " ".join([name, *[city.name][:cycle], *([str(cycle)] if cycle > 1 else [])])


def _services_of(seed: int, hotel: Hotel, first_year: int, each_sells: int | None) -> list[Service]:
    draw = np.random.default_rng([seed, 3, hotel.number])
    # The hotels of the demo sell more.
    presence = (2.0 if hotel.number < len(_FIRST) else 1.0) + 0.3 * hotel.is_resort
    offers = [(slot, offer) for slot, offer in enumerate(CATALOGUE, 1) if draw.random() < offer.presence * presence]
    if each_sells is not None:
        offers = list(enumerate(CATALOGUE[:each_sells], 1))
    opened = month_start(2016 * 12) + int(draw.integers(0, 5 * 365)) * DAY + 32_400
    found = [
        Service(
            hotel,
            slot,
            offer.name if offer else "Accommodation",
            offer,
            None,
            None,
            created=opened + slot * 3600,
            updated=opened + int(draw.integers(1, 365)) * DAY,
        )
        for slot, offer in [(0, None), *offers]
    ]
    if hotel.number % 4 == 0 and each_sells is None:
        found += [_season_offer(hotel, year) for year in range(first_year, first_year + _SEASONS_AHEAD)]
    return found


def _season_offer(hotel: Hotel, year: int) -> Service:
    busiest = year * 12 + hotel.city.busiest_month - 1
    announced = month_start(busiest - 3) + hotel.number % 28 * DAY + 36_000
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
