"""Who orders what and when: the orders of a month, or of one live day, each drawn from a generator of its own.

So what a month holds depends on nothing but the options of the world and the month: a server started later, or asked
later, finds the same orders. What becomes of the orders is in `lives`.

Times to cancellation have the shape of 119,390 real room bookings (Antonio, de Almeida, Nunes 2019, doi
10.1016/j.dib.2018.11.126): 12 to 18 % on the day of booking, half within 21 to 26 days, nine tenths within 164 to 169,
99 of 100 within 288 to 394. Those are rooms; each service scales the days down.
"""

import numpy as np

from pso_pipeline.sandbox.generated.lives import GUEST_HOURS, STAFF_HOURS, Drafts, Pace, chosen, lived, second_of_day
from pso_pipeline.sandbox.generated.offers import month_number, month_start
from pso_pipeline.sandbox.generated.orders import (
    CHANNEL,
    COMMANDER,
    DAY,
    IMPORT,
    Batch,
    Integers,
    Reals,
    Rows,
    joined,
)
from pso_pipeline.sandbox.generated.traits import Traits

_ORIGIN_SHARES = np.array([0.30, 0.26, 0.26, 0.02, 0.08, 0.08])

# Days from booking a room to canceling it, by share of the cancellations.
_CANCEL_SHARES = np.array([0.15, 0.5, 0.9, 0.99, 1.0])
_CANCEL_DAYS = np.array([1.0, 23.0, 166.0, 340.0, 430.0])
_ON_THE_DAY = 0.15
_WITHIN_AN_HOUR = 0.015
# Days from booking a room to arrival, by share of the bookings.
_LEAD_SHARES = np.array([0.0, 0.1, 0.5, 0.9, 0.99, 1.0])
_LEAD_DAYS = np.array([0.2, 1.5, 50.0, 230.0, 380.0, 500.0])

_REBOOKED = 0.012

# Weights of Monday to Sunday.
_CITY_WEEK = np.array([1.15, 1.2, 1.2, 1.1, 0.95, 0.65, 0.75])
_RESORT_WEEK = np.array([0.85, 0.8, 0.85, 0.95, 1.2, 1.25, 1.1])

# What an average live order changes in all: with it, a rate of changes becomes a rate of orders.
_CHANGES_OF_LIVE_ORDER = 2.9

# Numbers of live orders lie above those of any month, and neither depends on when a world begins.
_LIVE_NUMBERS = 1 << 50
_LIVE_CONFIRMATIONS = 1_000_000_000
_CONFIRMATIONS_FROM_MONTH = 2015 * 12
_CONFIRMATIONS_FROM_DAY = 18_262
_GROWTH_FROM_MONTH = 2025 * 12


class Demand:
    """Draws orders.

    Attributes:
        customers: Customers known to each hotel, by its number.
        companies: Companies known to each hotel.
        reservations: Reservations known to each hotel.

    Args:
        seed: The seed of the world.
        traits: What sets its services apart.
        monthly_orders: Orders of an average month.
        live_rate: Changes a minute of the live days.
    """

    def __init__(self, seed: int, traits: Traits, monthly_orders: float, live_rate: float) -> None:
        self._seed = seed
        self._traits = traits
        self._monthly = monthly_orders
        self._daily = round(live_rate * 1440 / _CHANGES_OF_LIVE_ORDER)
        lasting = traits.weight * traits.is_lasting
        self._busy = np.array([lasting @ traits.season(month) for month in range(12)]) / lasting.sum()
        shares = np.bincount(traits.hotel, lasting)
        two_years = shares / shares.sum() * monthly_orders * 24
        self.customers = np.maximum(5, two_years / 2.5).astype(np.int64)
        self.companies = np.maximum(2, two_years / 80).astype(np.int64)
        self.reservations = np.maximum(5, two_years * 0.7).astype(np.int64)

    def month(self, month: int) -> Batch:
        """Orders made in a month (`month_number`) of the hotels' own calendars, and the rebookings they lead to."""
        draw = np.random.default_rng([self._seed, 5, month])
        total = self._orders_before(month + 1) - self._orders_before(month)
        again = int(total * _REBOOKED)
        first_confirmation = (month - _CONFIRMATIONS_FROM_MONTH) * int(self._monthly * 2 + 10) + 1
        position = np.arange(total)
        numbers, confirmations = (month << 32) + position, first_confirmation + position
        drafts = self._drafts(draw, month, numbers[: total - again], confirmations[: total - again])
        batch = self._lived(draw, drafts, self._pace(draw, drafts.service))
        rebooked = _rebookings(draw, batch.orders, numbers[total - again :], confirmations[total - again :])
        return joined([batch, self._lived(draw, rebooked, self._pace(draw, rebooked.service))])

    def day(self, day: int) -> Batch:
        """Orders made on a live day (days since 1970, UTC): they live within hours."""
        draw = np.random.default_rng([self._seed, 6, day])
        position = np.arange(self._daily)
        confirmations = _LIVE_CONFIRMATIONS + (day - _CONFIRMATIONS_FROM_DAY) * self._daily + position
        created = day * DAY + np.sort(draw.integers(0, DAY, self._daily))
        numbers = _LIVE_NUMBERS + (day << 32) + position
        drafts = self._drafts(draw, month_number(day * DAY), numbers, confirmations, created)
        pace = Pace(
            to_cancellation=60 * draw.lognormal(np.log(12), 1.0, self._daily),
            to_arrival=60 * draw.lognormal(np.log(25), 0.8, self._daily),
            stay=60 * draw.lognormal(np.log(40), 0.7, self._daily),
            keeps_hours=False,
        )
        return self._lived(draw, drafts, pace)

    def _orders_before(self, month: int) -> int:
        years, months = divmod(month, 12)
        return int(self._monthly * (years * 12 + self._busy[:months].sum()))

    def _lived(self, draw: np.random.Generator, drafts: Drafts, pace: Pace) -> Batch:
        return lived(draw, drafts, pace, self._traits, customers=self.customers, reservations=self.reservations)

    def _drafts(
        self,
        draw: np.random.Generator,
        month: int,
        numbers: Integers,
        confirmations: Integers,
        created: Integers | None = None,
    ) -> Drafts:
        traits, count = self._traits, len(numbers)
        growth = np.exp(traits.growth * (month - _GROWTH_FROM_MONTH) / 12)
        is_open = (traits.opens <= month) & (month < traits.closes)
        service = chosen(draw, traits.weight * growth * traits.season(month) * is_open, count)

        shares = np.tile(_ORIGIN_SHARES, (count, 1))
        shares[:, CHANNEL] *= traits.channel[service]
        reached = np.cumsum(shares, axis=1)
        origin = (draw.random(count)[:, None] * reached[:, -1:] >= reached).sum(axis=1)

        hotel = traits.hotel[service]
        by_company = draw.random(count) < np.where(origin == COMMANDER, 0.18, 0.05)
        known = np.where(by_company, self.companies[hotel], self.customers[hotel])
        return Drafts(
            number=numbers,
            confirmation=confirmations,
            service=service,
            origin=origin,
            created=self._creations(draw, month, service, origin) if created is None else created,
            # Some accounts order often.
            account=(known * draw.random(count) ** 1.3).astype(np.int64),
            account_type=by_company.astype(np.int64),
        )

    def _creations(self, draw: np.random.Generator, month: int, service: Integers, origin: Integers) -> Integers:
        count = len(service)
        first_day, end_day = (month_start(each) // DAY for each in (month, month + 1))
        # Day 0, 1 January 1970, was a Thursday.
        weekday = (np.arange(first_day, end_day) + 3) % 7
        day = first_day + np.where(
            self._traits.resort[service],
            chosen(draw, _RESORT_WEEK[weekday], count),
            chosen(draw, _CITY_WEEK[weekday], count),
        )
        second = np.where(
            (origin == COMMANDER) | (origin == IMPORT),
            second_of_day(draw, STAFF_HOURS, count),
            second_of_day(draw, GUEST_HOURS, count),
        )
        return self._traits.local_time.utc(day, second, service)

    def _pace(self, draw: np.random.Generator, service: Integers) -> Pace:
        """The pace of room bookings, scaled down by service."""
        count = len(service)
        scale = DAY * self._traits.pace[service]
        share = draw.random(count)
        canceled = _days(share, _CANCEL_SHARES, _CANCEL_DAYS)
        canceled = np.where(share < _ON_THE_DAY, draw.random(count), canceled) * scale
        at_once = draw.uniform(90, 3500, count)
        nights = np.where(self._traits.overnight[service], draw.geometric(0.45, count), 0)
        return Pace(
            to_cancellation=np.where(share < _WITHIN_AN_HOUR, at_once, canceled),
            to_arrival=_days(draw.random(count), _LEAD_SHARES, _LEAD_DAYS) * scale,
            stay=np.where(nights > 0, nights * DAY, draw.uniform(1800, 3 * 3600, count)),
            keeps_hours=True,
        )


def _days(share: Reals, shares: Reals, days: Reals) -> Reals:
    """The days within which these shares have happened, between the known ones on a logarithmic scale."""
    return np.exp(np.interp(share, shares, np.log(days)))


def _rebookings(draw: np.random.Generator, orders: Rows, numbers: Integers, confirmations: Integers) -> Drafts:
    """The same account's order of the same service once more, within an hour of a cancellation."""
    canceled = orders[orders["canceled"] > 0]
    count = len(numbers) if len(canceled) else 0
    first = canceled[draw.integers(0, max(1, len(canceled)), count)]
    created = first["canceled"].astype(np.int64) + draw.integers(-3300, 3300, count)
    return Drafts(
        number=numbers[:count],
        confirmation=confirmations[:count],
        service=first["service"].astype(np.int64),
        origin=first["origin"].astype(np.int64),
        created=np.maximum(created, first["created"].astype(np.int64) + 60),
        account=first["account"].astype(np.int64),
        account_type=first["account_type"].astype(np.int64),
    )
