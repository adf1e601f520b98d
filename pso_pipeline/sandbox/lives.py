"""Orders and their whole lives, drawn a month at a time.

An order's life is drawn once, together with the order: when it is confirmed, edited, canceled, checked in and
processed, by whom, and what online check-in data it has. Each month has a random stream of its own, so orders depend on
the seed and the month alone, and orders of the future follow the same rates and delays as those of the past.

Cancellations follow 119,390 real room bookings (Antonio, de Almeida, Nunes 2019, doi 10.1016/j.dib.2018.11.126): agents
cancel 41 %, companies 22 %, direct guests 17.5 %; 12 to 18 % on the day of booking, half within 21 to 26 days, nine
tenths within 164 to 169, 99 of 100 within 288 to 394. Those are rooms; each service scales the days down.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from pso_pipeline.sandbox.contract import ORIGINS, STATES
from pso_pipeline.sandbox.hotels import DAY, Service, month_start
from pso_pipeline.sandbox.versions import Flags, Integers

Reals = npt.NDArray[np.floating[Any]]
Columns = dict[str, Integers]

ORIGIN_DETAILS = (None, "Booking.com", "Expedia", "Hotelbeds", "Agoda", "Trip.com", "Website", "Kiosk", "Guest app")
VOUCHERS, SEGMENTS, PROFILES = 12, 6, 16

# The flags of a version: its state in three bits, online check-in data, and whether `CancelledUtc` shows.
STATE_BITS = 0b111
OWNER, ALL_COMPANIONS, ANY_COMPANION, CONNECTOR, SHOWS_CANCELLATION = (1 << bit for bit in range(3, 8))

_INQUIRED, _CONFIRMED, _STARTED, _PROCESSED, _CANCELED, _OPTIONAL, _REQUESTED = range(len(STATES))
_DISTRIBUTOR, _CHANNEL, _COMMANDER, _IMPORT, _API, _NAVIGATOR = range(len(ORIGINS))

# Profiles of a hotel: machines first, then staff.
_ENGINE, _CHANNEL_MANAGER, _IMPORTER, _CONNECTOR, _GUEST_APP, _NIGHT_AUDIT, _STAFF = range(7)

# By origin, in the order of `ORIGINS`.
_ORIGIN_SHARES = np.array([0.30, 0.26, 0.26, 0.02, 0.08, 0.08])
_CANCELED_SHARES = np.array([0.175, 0.41, 0.22, 0.30, 0.19, 0.12])
_CREATORS = np.array([_ENGINE, _CHANNEL_MANAGER, _STAFF, _IMPORTER, _CONNECTOR, _GUEST_APP])
_COMMANDER_ORIGIN_SHARES = np.array([0.34, 0.05, 0.24, 0.22, 0.06, 0.03, 0.04, 0.02])
_AGENT_SHARES = np.array([0.52, 0.27, 0.11, 0.06, 0.04])

# Days from booking a room to canceling it, and to arrival, by share of the bookings.
_CANCEL_SHARES, _CANCEL_DAYS = np.array([0.15, 0.5, 0.9, 0.99, 1.0]), np.array([1.0, 23.0, 166.0, 340.0, 430.0])
_LEAD_SHARES = np.array([0.0, 0.1, 0.5, 0.9, 0.99, 1.0])
_LEAD_DAYS = np.array([0.2, 1.5, 50.0, 230.0, 380.0, 500.0])
_CANCELED_WITHIN_AN_HOUR, _CANCELED_ON_THE_DAY = 0.015, 0.15

_PENDING = 0.08
_REBOOKED = 0.012
_REINSTATED = 0.015
_NEVER_ARRIVES = 0.03
_CANCELED_AFTER_CHECK_IN = 0.005
_CHECKED_IN_ONLINE = 0.45
_EDITED_BEFORE, _EDITED_AFTER = 0.10, 0.08

# Weights of the hours of a local day, and of Monday to Sunday.
_GUEST_HOURS = np.array([2, 1, 1, 0.5, 0.5, 1, 2, 4, 6, 7, 7, 6, 6, 6, 6, 6, 6, 7, 8, 10, 11, 10, 7, 4])
_STAFF_HOURS = np.array([0, 0, 0, 0, 0, 0, 2, 6, 9, 10, 10, 9, 8, 8, 9, 9, 9, 8, 6, 4, 2, 1, 0.5, 0.2])
_ARRIVAL_HOURS = np.array([0] * 13 + [3, 8, 10, 9, 7, 6, 4, 3, 2, 1, 0.5])
_DEPARTURE_HOURS = np.array([0] * 6 + [2, 5, 8, 9, 9, 5, 1] + [0] * 11)
_CITY_WEEK = np.array([1.15, 1.2, 1.2, 1.1, 0.95, 0.65, 0.75])
_RESORT_WEEK = np.array([0.85, 0.8, 0.85, 0.95, 1.2, 1.25, 1.1])

_GROWTH_FROM = 2025 * 12
_CONFIRMATIONS_FROM = 2015 * 12
_ALWAYS, _NEVER = 0, 1 << 30

_WIDE = ("service", "created", "canceled", "confirmation", "account", "booker", "reservation", "order", "changed")
_TYPES = dict.fromkeys(_WIDE, np.uint32) | {"number": np.uint64}


class Lives:
    """Draws orders.

    Args:
        seed: The seed of the world.
        services: Every service of the world.
        monthly_orders: Orders of an average month.
        first_day: The first day whose local time matters, in days since 1970.
    """

    def __init__(self, seed: int, services: Sequence[Service], monthly_orders: float, first_day: int) -> None:
        hotels = [service.hotel for service in services]
        offers = [service.offer for service in services]
        self._seed = seed
        self._monthly = monthly_orders
        self._hotel = np.array([hotel.number for hotel in hotels])
        self._is_resort = np.array([hotel.is_resort for hotel in hotels])
        self._kiosk = np.array([hotel.kiosk for hotel in hotels])
        self._channel = np.array([hotel.channel for hotel in hotels])
        self._growth = np.array([hotel.growth for hotel in hotels])
        self._seasonal = np.array([hotel.city.seasonal for hotel in hotels])
        self._busiest = np.array([hotel.city.busiest_month - 1 for hotel in hotels])
        self._opens = np.array([service.opens or _ALWAYS for service in services])
        self._closes = np.array([service.closes or _NEVER for service in services])
        self._pace = np.array([offer.pace if offer else 1.0 for offer in offers])
        self._linked = np.array([offer.linked if offer else 0.0 for offer in offers])
        self._overnight = np.array([bool(offer and offer.overnight) for offer in offers])
        self._cancellation = np.array([offer.cancellation if offer else 0.0 for offer in offers])
        self._cancellation *= [hotel.cancellation for hotel in hotels]
        popularity = np.array([offer.popularity if offer else 0.0 for offer in offers])
        lasting = popularity * (self._opens == _ALWAYS)
        self._weight = np.array([hotel.size for hotel in hotels]) * popularity
        self._weight /= np.bincount(self._hotel, lasting)[self._hotel]
        lasting = self._weight * (self._opens == _ALWAYS)
        self._busy = np.array([lasting @ self._season(month) for month in range(12)]) / lasting.sum()
        of_hotel = np.bincount(self._hotel, lasting)
        two_years = of_hotel / of_hotel.sum() * monthly_orders * 24
        self._customers = np.maximum(5, two_years / 2.5).astype(np.int64)
        self._companies = np.maximum(2, two_years / 80).astype(np.int64)
        self._reservations = np.maximum(5, two_years * 0.7).astype(np.int64)
        self._local = _LocalTime([hotel.city.zone for hotel in hotels], first_day)

    def month(self, month: int) -> tuple[Columns, Columns]:
        """Orders made in a month (`month_number`) of the hotels' own calendars, and their versions.

        The columns `order`, `changed`, `flags` and `updater` make a version; `order` counts from 0 within the month.
        """
        draw = np.random.default_rng([self._seed, 5, month])
        total = self._orders_before(month + 1) - self._orders_before(month)
        again = int(total * _REBOOKED)
        orders, versions = self._lived(draw, month, self._drafts(draw, month, total - again))
        rebooked, their_versions = self._lived(draw, month, _rebookings(draw, orders, again))
        their_versions["order"] += len(orders["created"])
        orders, versions = joined([orders, rebooked]), joined([versions, their_versions])
        position = np.arange(len(orders["created"]))
        orders["number"] = (month << 32) + position
        orders["confirmation"] = (month - _CONFIRMATIONS_FROM) * int(self._monthly * 2 + 10) + 1 + position
        return _compact(orders), _compact(versions)

    def _orders_before(self, month: int) -> int:
        years, months = divmod(month, 12)
        return int(self._monthly * (years * 12 + self._busy[:months].sum()))

    def _season(self, month: int) -> Reals:
        """How much busier than on average each service is in a month."""
        season: Reals = 1 + self._seasonal * np.cos(2 * np.pi * (month % 12 - self._busiest) / 12)
        return season

    def _drafts(self, draw: np.random.Generator, month: int, count: int) -> Columns:
        """Who orders what, and when."""
        growth = np.exp(self._growth * (month - _GROWTH_FROM) / 12)
        is_open = (self._opens <= month) & (month < self._closes)
        service = _chosen(draw, self._weight * growth * self._season(month) * is_open, count)
        shares = np.tile(_ORIGIN_SHARES, (count, 1))
        shares[:, _CHANNEL] *= self._channel[service]
        reached = np.cumsum(shares, axis=1)
        origin = (draw.random(count)[:, None] * reached[:, -1:] >= reached).sum(axis=1)
        first_day, end_day = (month_start(each) // DAY for each in (month, month + 1))
        # Day 0, 1 January 1970, was a Thursday.
        weekday = (np.arange(first_day, end_day) + 3) % 7
        at_resort, in_city = (_chosen(draw, week[weekday], count) for week in (_RESORT_WEEK, _CITY_WEEK))
        by_staff, by_guest = (_second_of_day(draw, hours, count) for hours in (_STAFF_HOURS, _GUEST_HOURS))
        day = first_day + np.where(self._is_resort[service], at_resort, in_city)
        second = np.where((origin == _COMMANDER) | (origin == _IMPORT), by_staff, by_guest)
        by_company = draw.random(count) < np.where(origin == _COMMANDER, 0.18, 0.05)
        hotel = self._hotel[service]
        known = np.where(by_company, self._companies[hotel], self._customers[hotel])
        return {
            "service": service,
            "origin": origin,
            "created": self._local.utc(day, second, service),
            # Some accounts order often.
            "account": (known * draw.random(count) ** 1.3).astype(np.int64),
            "account_type": by_company.astype(np.int64),
        }

    def _lived(self, draw: np.random.Generator, month: int, drafts: Columns) -> tuple[Columns, Columns]:
        """Let some orders live: returns the orders with all their columns, and their versions."""
        created, service, origin = drafts["created"], drafts["service"], drafts["origin"]
        count = len(created)

        def is_so(share: float | Reals) -> Flags:
            return draw.random(count) < share

        def at_hours(hours: Reals, moments: Reals | Integers, where: Flags) -> Reals | Integers:
            """Move moments within their local day to a likely hour, but not to before half an hour after creation."""
            local_day = self._local.local(moments, service) // DAY
            moved = self._local.utc(local_day, _second_of_day(draw, hours, count), service)
            return np.where(where, np.maximum(moved, created + 1800), moments)

        # What happens.
        pending = is_so(_PENDING) & (origin != _CHANNEL)
        decided = draw.random(count)
        lapsed, undecided = pending & (decided >= 0.75) & (decided < 0.9), pending & (decided >= 0.9)
        # Guests cancel more in the high season.
        likely = _CANCELED_SHARES[origin] * (self._cancellation * self._season(month))[service]
        canceled = lapsed | is_so(np.clip(likely, 0.02, 0.85)) & ~undecided
        reinstated = canceled & ~lapsed & is_so(_REINSTATED)
        arrived = (~canceled | reinstated) & ~undecided & ~is_so(_NEVER_ARRIVES)
        canceled_late = arrived & ~reinstated & is_so(_CANCELED_AFTER_CHECK_IN)

        # When.
        scale = DAY * self._pace[service]
        to_cancel = _to_cancellation(draw, scale)
        to_arrive = _days(draw.random(count), _LEAD_SHARES, _LEAD_DAYS) * scale
        nights = np.where(self._overnight[service], draw.geometric(0.45, count), 0)
        stay = np.where(nights > 0, nights * DAY, draw.uniform(1800, 3 * 3600, count))
        cancel_at = at_hours(_GUEST_HOURS, created + np.maximum(to_cancel, 45), to_cancel > 3 * DAY)
        reinstate_at = cancel_at + draw.uniform(600, 36 * 3600, count)
        arrive_at = at_hours(_ARRIVAL_HOURS, created + np.maximum(to_arrive, 600), to_arrive > DAY / 2)
        arrive_at = np.where(reinstated, np.maximum(arrive_at, reinstate_at + 1800), arrive_at)
        leave_at = at_hours(_DEPARTURE_HOURS, arrive_at + stay, stay >= DAY)
        span = np.where(canceled, cancel_at, arrive_at) - created

        # By whom, and with which data.
        staff, creator = (draw.integers(_STAFF, PROFILES, count) for _ in range(2))
        creator = np.where(origin == _COMMANDER, creator, _CREATORS[origin])
        kiosk = is_so(self._kiosk[service])
        porter = np.where(kiosk, _CONNECTOR, staff)
        online_data = _online_data(draw, kiosk)
        is_online = is_so(_CHECKED_IN_ONLINE) & (~canceled | reinstated)
        first_state = draw.choice([_OPTIONAL, _INQUIRED, _REQUESTED], count, p=[0.5, 0.25, 0.25])

        history = _Hihistory(created, np.where(pending, first_state, _CONFIRMED), creator)
        history.then(pending & (decided < 0.75), created + span * draw.uniform(0.02, 0.4, count), staff, _CONFIRMED)
        history.then(is_so(_EDITED_BEFORE), created + span * draw.uniform(0.45, 0.98, count), staff)
        canceler = np.where(is_so(0.6), creator, staff)
        history.then(canceled, cancel_at, canceler, _CANCELED, adds=SHOWS_CANCELLATION)
        canceled_at = np.where(canceled, history.latest, 0)
        history.then(reinstated, reinstate_at, staff, _CONFIRMED, removes=is_so(0.5) * SHOWS_CANCELLATION)
        history.then(is_online, created + span * draw.uniform(0.8, 0.99, count), porter, adds=online_data)
        history.then(arrived, arrive_at, porter, _STARTED)
        late_at = arrive_at + draw.uniform(300, 3 * 3600, count)
        history.then(canceled_late, late_at, staff, _CANCELED, adds=SHOWS_CANCELLATION)
        canceled_at = np.where(canceled_late, history.latest, canceled_at)
        history.then(arrived & ~canceled_late, leave_at, np.where(is_so(0.4), _NIGHT_AUDIT, staff), _PROCESSED)
        edited_at = history.latest + draw.uniform(0.2, 6, count) * (history.latest - created)
        history.then(is_so(_EDITED_AFTER) & (arrived | canceled), edited_at, staff)

        return self._described(draw, drafts) | {"creator": creator, "canceled": canceled_at}, history.versions()

    def _described(self, draw: np.random.Generator, drafts: Columns) -> Columns:
        """Add the columns that never change after creation."""
        count, origin, hotel = len(drafts["created"]), drafts["origin"], self._hotel[drafts["service"]]
        agent = _chosen(draw, _AGENT_SHARES, count) + 1
        on_website = (origin == _DISTRIBUTOR) & (draw.random(count) < 0.3)
        details = np.select([origin == _CHANNEL, on_website, origin == _API, origin == _NAVIGATOR], [agent, 6, 7, 8], 0)
        by_staff = _chosen(draw, _COMMANDER_ORIGIN_SHARES, count) + 1
        has_booker = draw.random(count) < np.where(drafts["account_type"] == 1, 0.8, 0.35)
        is_linked = draw.random(count) < self._linked[drafts["service"]]
        return drafts | {
            "commander_origin": np.where(origin == _COMMANDER, by_staff, 0),
            "origin_details": details,
            # Numbers count from 1 within the hotel; 0 stands for none.
            "booker": has_booker * draw.integers(1, self._customers[hotel] + 1),
            "reservation": is_linked * draw.integers(1, self._reservations[hotel] + 1),
            "voucher": (draw.random(count) < 0.04) * draw.integers(1, VOUCHERS + 1, count),
            "segment": (draw.random(count) < 0.6) * draw.integers(1, SEGMENTS + 1, count),
        }


class _Hihistory:
    """The versions of many orders, added event by event, each later than the one before.

    Attributes:
        latest: When the last event so far happened to each order.
    """

    def __init__(self, created: Integers, state: Integers, creator: Integers) -> None:
        self.latest = created
        self._flags = state
        self._happens = [np.ones(len(created), dtype=bool)]
        self._columns = {"changed": [created], "flags": [state], "updater": [creator]}

    def then(
        self,
        happens: Flags,
        at: Reals | Integers,
        by: Integers,
        state: int | None = None,
        *,
        adds: int | Integers = 0,
        removes: int | Integers = 0,
    ) -> None:
        """Let the next event happen to some of the orders; an event without a state is an edit."""
        moment = np.maximum(at.astype(np.int64), self.latest + 1)
        flags = self._flags if state is None else self._flags & ~STATE_BITS | state
        flags = (flags | adds) & ~np.asarray(removes)
        self.latest = np.where(happens, moment, self.latest)
        self._flags = np.where(happens, flags, self._flags)
        self._happens.append(happens)
        for name, values in {"changed": moment, "flags": flags, "updater": by}.items():
            self._columns[name].append(values)

    def versions(self) -> Columns:
        """Every version, order by order."""
        happens = np.stack(self._happens, axis=1)
        order, _ = np.nonzero(happens)
        return {"order": order} | {name: np.stack(each, axis=1)[happens] for name, each in self._columns.items()}


class _LocalTime:
    """UTC offsets of the hotels by the day: changes of the clock take effect at midnight.

    Args:
        zones: IANA time zone of each service's hotel.
        first_day: First day with an offset, in days since 1970; days after the last one keep its offset.
    """

    _DAYS = 14 * 366

    def __init__(self, zones: Sequence[str], first_day: int) -> None:
        names, self._zone = np.unique(zones, return_inverse=True)
        self._first_day = first_day
        noons = [datetime.fromtimestamp((first_day + day) * DAY + DAY // 2, UTC) for day in range(self._DAYS)]
        second = timedelta(seconds=1)
        self._offsets = np.array(
            [
                [(noon.astimezone(zone).utcoffset() or timedelta()) // second for noon in noons]
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


def joined(batches: Sequence[Columns]) -> Columns:
    """Several batches of the same columns as one."""
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _compact(columns: Columns) -> Columns:
    """The same columns in as few bytes as their values need."""
    return {name: column.astype(_TYPES.get(name, np.uint8)) for name, column in columns.items()}


def _rebookings(draw: np.random.Generator, orders: Columns, count: int) -> Columns:
    """The same account's order of the same service once more, within an hour of a cancellation."""
    canceled = np.flatnonzero(orders["canceled"])
    first = canceled[draw.integers(0, max(1, len(canceled)), count if len(canceled) else 0)]
    drafts = {name: orders[name][first] for name in ("service", "origin", "account", "account_type")}
    created = orders["canceled"][first] + draw.integers(-3300, 3300, len(first))
    return drafts | {"created": np.maximum(created, orders["created"][first] + 60)}


def _to_cancellation(draw: np.random.Generator, scale: Reals) -> Reals:
    """Seconds from creation to cancellation, where a day of a room booking's life takes `scale` seconds."""
    share = draw.random(len(scale))
    seconds = _days(share, _CANCEL_SHARES, _CANCEL_DAYS) * scale
    seconds = np.where(share < _CANCELED_ON_THE_DAY, draw.random(len(scale)) * scale, seconds)
    return np.where(share < _CANCELED_WITHIN_AN_HOUR, draw.uniform(90, 3500, len(scale)), seconds)


def _online_data(draw: np.random.Generator, kiosk: Flags) -> Integers:
    """The flags that online check-in sets: a kiosk needs the owner, and so does a guest without companions."""
    companion, all_companions, owner = (draw.random(len(kiosk)) < share for share in (0.6, 0.6, 0.88))
    flags: Integers = (owner | kiosk | ~companion) * OWNER + companion * ANY_COMPANION + kiosk * CONNECTOR
    return flags + (companion & all_companions) * ALL_COMPANIONS


def _chosen(draw: np.random.Generator, weights: Reals, count: int) -> Integers:
    """Places drawn with the given weights."""
    reached = np.cumsum(weights)
    places: Integers = np.searchsorted(reached, draw.random(count) * reached[-1], side="right")
    return places


def _second_of_day(draw: np.random.Generator, hours: Reals, count: int) -> Integers:
    """Seconds after midnight drawn with the given weights of the hours."""
    return _chosen(draw, hours, count) * 3600 + draw.integers(0, 3600, count)


def _days(share: Reals, shares: Reals, days: Reals) -> Reals:
    """Interpolate the days within which these shares happen, on a logarithmic scale."""
    return np.exp(np.interp(share, shares, np.log(days)))
