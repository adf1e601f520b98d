"""The lives of orders once they are made: confirmed, edited, canceled, checked in, processed.

Belongs here: what happens to an order, when, and by whom. Who orders what and when is in `demand`. How often orders are
canceled follows 119,390 real room bookings (Antonio, de Almeida, Nunes 2019, doi 10.1016/j.dib.2018.11.126): agents
41 %, companies 22 %, direct guests 17.5 %.
"""

from dataclasses import dataclass

import numpy as np

from pso_pipeline.sandbox.generated.orders import (
    ALL_COMPANIONS,
    ANY_COMPANION,
    API,
    CANCELED,
    CHANNEL,
    COMMANDER,
    COMPANY,
    CONFIRMED,
    CONNECTOR,
    DAY,
    DISTRIBUTOR,
    EVENT,
    INQUIRED,
    NAVIGATOR,
    OPTIONAL,
    ORDER,
    OWNER,
    PROCESSED,
    PROFILES,
    REQUESTED,
    SEGMENTS,
    SHOWS_CANCELLATION,
    STARTED,
    STATE_BITS,
    VOUCHERS,
    Batch,
    Flags,
    Integers,
    Reals,
    Rows,
)
from pso_pipeline.sandbox.generated.traits import Traits

# Profiles of a hotel: machines first, then staff.
_ENGINE, _CHANNEL_MANAGER, _IMPORTER, _CONNECTOR, _GUEST_APP, _NIGHT_AUDIT, _STAFF = range(7)

# By origin, in the order of `ORIGINS`.
_CANCELED_SHARES = np.array([0.175, 0.41, 0.22, 0.30, 0.19, 0.12])
_CREATORS = np.array([_ENGINE, _CHANNEL_MANAGER, _STAFF, _IMPORTER, _CONNECTOR, _GUEST_APP])
_COMMANDER_ORIGIN_SHARES = np.array([0.34, 0.05, 0.24, 0.22, 0.06, 0.03, 0.04, 0.02])
_AGENT_SHARES = np.array([0.52, 0.27, 0.11, 0.06, 0.04])

_PENDING = 0.08
_NEVER_ARRIVES = 0.03
_REINSTATED = 0.015
_CANCELED_AFTER_CHECK_IN = 0.005
_CHECKED_IN_ONLINE = 0.45
_EDITED_BEFORE = 0.10
_EDITED_AFTER = 0.08

# Weights of the hours of a local day.
GUEST_HOURS = np.array([2, 1, 1, 0.5, 0.5, 1, 2, 4, 6, 7, 7, 6, 6, 6, 6, 6, 6, 7, 8, 10, 11, 10, 7, 4])
STAFF_HOURS = np.array([0, 0, 0, 0, 0, 0, 2, 6, 9, 10, 10, 9, 8, 8, 9, 9, 9, 8, 6, 4, 2, 1, 0.5, 0.2])
_ARRIVAL_HOURS = np.array([0] * 13 + [3, 8, 10, 9, 7, 6, 4, 3, 2, 1, 0.5])
_DEPARTURE_HOURS = np.array([0] * 6 + [2, 5, 8, 9, 9, 5, 1] + [0] * 11)


@dataclass(frozen=True, slots=True)
class Drafts:
    """Orders as they are made, one element each.

    Attributes:
        number: The number its id is made from.
        confirmation: The number shown to guests.
        service: Number of the service.
        origin: Place in `ORIGINS`.
        created: Seconds since 1970.
        account: Number of the account within the hotel.
        account_type: Place in `ACCOUNT_TYPES`.
    """

    number: Integers
    confirmation: Integers
    service: Integers
    origin: Integers
    created: Integers
    account: Integers
    account_type: Integers


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast orders live, one element each, in seconds.

    Attributes:
        to_cancellation: From creation, where an order is canceled.
        to_arrival: From creation, where it is not.
        stay: From check-in to the end.
        keeps_hours: Whether later events are moved to a likely hour of the hotel's day.
    """

    to_cancellation: Reals
    to_arrival: Reals
    stay: Reals
    keeps_hours: bool


@dataclass(frozen=True, slots=True)
class _Fate:
    """What happens to each order, and when if it does (seconds since 1970)."""

    pending: Flags
    confirmed: Flags
    canceled: Flags
    reinstated: Flags
    arrived: Flags
    canceled_late: Flags
    cancel_at: Reals | Integers
    reinstate_at: Reals | Integers
    arrive_at: Reals | Integers
    cancel_late_at: Reals | Integers
    depart_at: Reals | Integers


def lived(
    draw: np.random.Generator,
    drafts: Drafts,
    pace: Pace,
    traits: Traits,
    *,
    customers: Integers,
    reservations: Integers,
) -> Batch:
    """Let some orders live.

    Args:
        draw: Where chance comes from.
        drafts: The orders.
        pace: How fast they live.
        traits: What sets their services apart.
        customers: How many customers each hotel knows.
        reservations: How many reservations each hotel knows.
    """
    fate = _fate(draw, drafts, pace, traits)
    creator = np.where(drafts.origin == COMMANDER, _staff(draw, drafts), _CREATORS[drafts.origin])
    story, canceled_at = _told(draw, drafts, fate, creator, traits.kiosk[drafts.service])
    events, first_event, event_count = story.events()
    count = len(drafts.number)
    hotel = traits.hotel[drafts.service]
    booked = draw.random(count) < np.where(drafts.account_type == COMPANY, 0.8, 0.35)
    linked = draw.random(count) < traits.linked[drafts.service]
    orders = np.zeros(count, dtype=ORDER)
    orders["number"] = drafts.number
    orders["service"] = drafts.service
    orders["created"] = drafts.created
    orders["canceled"] = canceled_at
    orders["confirmation"] = drafts.confirmation
    orders["first_event"] = first_event
    orders["account"] = drafts.account
    orders["booker"] = np.where(booked, draw.integers(1, customers[hotel] + 1), 0)
    orders["reservation"] = np.where(linked, draw.integers(1, reservations[hotel] + 1), 0)
    orders["account_type"] = drafts.account_type
    orders["origin"] = drafts.origin
    by_staff = chosen(draw, _COMMANDER_ORIGIN_SHARES, count) + 1
    orders["commander_origin"] = np.where(drafts.origin == COMMANDER, by_staff, 0)
    orders["origin_details"] = _origin_details(draw, drafts.origin)
    orders["voucher"] = np.where(draw.random(count) < 0.04, draw.integers(1, VOUCHERS + 1, count), 0)
    orders["segment"] = np.where(draw.random(count) < 0.6, draw.integers(1, SEGMENTS + 1, count), 0)
    orders["creator"] = creator
    orders["events"] = event_count
    return Batch(orders, events)


def chosen(draw: np.random.Generator, weights: Reals, count: int) -> Integers:
    """Places drawn with the given weights."""
    reached = np.cumsum(weights)
    places: Integers = np.searchsorted(reached, draw.random(count) * reached[-1], side="right")
    return places


def second_of_day(draw: np.random.Generator, hours: Reals, count: int) -> Integers:
    """Seconds after midnight drawn with the given weights of the hours."""
    return chosen(draw, hours, count) * 3600 + draw.integers(0, 3600, count)


def _fate(draw: np.random.Generator, drafts: Drafts, pace: Pace, traits: Traits) -> _Fate:
    count = len(drafts.number)
    pending = (draw.random(count) < _PENDING) & (drafts.origin != CHANNEL)
    decided = draw.random(count)
    confirmed = pending & (decided < 0.75)
    lapsed = pending & (decided >= 0.75) & (decided < 0.9)
    undecided = pending & (decided >= 0.9)
    likely = np.clip(_CANCELED_SHARES[drafts.origin] * traits.cancellation[drafts.service], 0.02, 0.85)
    canceled = lapsed | (draw.random(count) < likely) & ~undecided
    reinstated = canceled & ~lapsed & (draw.random(count) < _REINSTATED)
    arrived = (~canceled | reinstated) & ~undecided & (draw.random(count) >= _NEVER_ARRIVES)
    canceled_late = arrived & ~reinstated & (draw.random(count) < _CANCELED_AFTER_CHECK_IN)

    def at_hours(hours: Reals, moments: Reals | Integers, where: Flags) -> Reals | Integers:
        """Some moments moved within their local day to a likely hour, never to before half an hour after creation."""
        if not pace.keeps_hours:
            return moments
        local_day = traits.local_time.local(moments, drafts.service) // DAY
        moved = traits.local_time.utc(local_day, second_of_day(draw, hours, count), drafts.service)
        return np.where(where, np.maximum(moved, drafts.created + 1800), moments)

    cancel_at = at_hours(
        GUEST_HOURS, drafts.created + np.maximum(pace.to_cancellation, 45), pace.to_cancellation > 3 * DAY
    )
    arrive_at = at_hours(_ARRIVAL_HOURS, drafts.created + np.maximum(pace.to_arrival, 600), pace.to_arrival > DAY / 2)
    reinstate_at = cancel_at + draw.uniform(600, 36 * 3600, count)
    arrive_at = np.where(reinstated, np.maximum(arrive_at, reinstate_at + 1800), arrive_at)
    return _Fate(
        pending,
        confirmed,
        canceled,
        reinstated,
        arrived,
        canceled_late,
        cancel_at,
        reinstate_at,
        arrive_at,
        cancel_late_at=arrive_at + draw.uniform(300, 3 * 3600, count),
        depart_at=at_hours(_DEPARTURE_HOURS, arrive_at + pace.stay, pace.stay >= DAY),
    )


def _told(
    draw: np.random.Generator, drafts: Drafts, fate: _Fate, creator: Integers, kiosk: Reals
) -> tuple["_Story", Integers]:
    """The story of each order, and when it was canceled (0: never)."""
    count = len(drafts.number)
    created = drafts.created
    span = np.where(fate.canceled, fate.cancel_at, fate.arrive_at) - created
    first_state = np.where(
        fate.pending, draw.choice([OPTIONAL, INQUIRED, REQUESTED], count, p=[0.5, 0.25, 0.25]), CONFIRMED
    )
    connector, companion, all_companions = (draw.random(count) < share for share in (kiosk, 0.6, 0.6))
    owner = (draw.random(count) < 0.88) | connector | ~companion
    online_data = (
        owner * OWNER
        + companion * ANY_COMPANION
        + (companion & all_companions) * ALL_COMPANIONS
        + connector * CONNECTOR
    )
    staff = _staff(draw, drafts)
    by_creator = draw.random(count) < 0.6
    hidden = np.where(draw.random(count) < 0.5, SHOWS_CANCELLATION, 0)

    story = _Story(created, first_state, creator)
    story.then(fate.confirmed, created + span * draw.uniform(0.02, 0.4, count), staff, state=CONFIRMED)
    story.then(draw.random(count) < _EDITED_BEFORE, created + span * draw.uniform(0.45, 0.98, count), staff)
    canceler = np.where(by_creator, creator, staff)
    story.then(fate.canceled, fate.cancel_at, canceler, state=CANCELED, adds=SHOWS_CANCELLATION)
    canceled_at = np.where(fate.canceled, story.latest, 0)
    story.then(fate.reinstated, fate.reinstate_at, staff, state=CONFIRMED, removes=hidden)
    porter = np.where(connector, _CONNECTOR, staff)
    online = (draw.random(count) < _CHECKED_IN_ONLINE) & (~fate.canceled | fate.reinstated)
    story.then(online, created + span * draw.uniform(0.8, 0.99, count), porter, adds=online_data)
    story.then(fate.arrived, fate.arrive_at, porter, state=STARTED)
    story.then(fate.canceled_late, fate.cancel_late_at, staff, state=CANCELED, adds=SHOWS_CANCELLATION)
    canceled_at = np.where(fate.canceled_late, story.latest, canceled_at)
    closer = np.where(draw.random(count) < 0.4, _NIGHT_AUDIT, staff)
    story.then(fate.arrived & ~fate.canceled_late, fate.depart_at, closer, state=PROCESSED)
    edited = (draw.random(count) < _EDITED_AFTER) & (fate.arrived | fate.canceled)
    story.then(edited, story.latest + draw.uniform(0.2, 6, count) * (story.latest - created), staff)
    return story, canceled_at


def _staff(draw: np.random.Generator, drafts: Drafts) -> Integers:
    return draw.integers(_STAFF, PROFILES, len(drafts.number))


def _origin_details(draw: np.random.Generator, origin: Integers) -> Integers:
    """Places in `ORIGIN_DETAILS`: agents by name, a part of the booking engine's orders, kiosk and guest app."""
    agent = chosen(draw, _AGENT_SHARES, len(origin)) + 1
    through_website = (origin == DISTRIBUTOR) & (draw.random(len(origin)) < 0.3)
    return np.select([origin == CHANNEL, through_website, origin == API, origin == NAVIGATOR], [agent, 6, 7, 8], 0)


class _Story:
    """The events of many orders as they are told one after the other, each later than the one before.

    Attributes:
        latest: When the last thing told happened to each order.
    """

    def __init__(self, created: Integers, state: Integers, creator: Integers) -> None:
        self.latest = created
        self._flags = state
        self._present = [np.ones(len(created), dtype=bool)]
        self._events = [_events(created, state, creator)]

    def then(
        self,
        happens: Flags,
        at: Reals | Integers,
        by: Integers,
        *,
        state: int | None = None,
        adds: int | Integers = 0,
        removes: int | Integers = 0,
    ) -> None:
        """What happens next to some of the orders; without a state it was an edit that left the state alone."""
        moment = np.maximum(at.astype(np.int64), self.latest + 1)
        flags = self._flags if state is None else self._flags & ~STATE_BITS | state
        flags = (flags | adds) & ~np.asarray(removes)
        self.latest = np.where(happens, moment, self.latest)
        self._flags = np.where(happens, flags, self._flags)
        self._present.append(happens)
        self._events.append(_events(moment, flags, by))

    def events(self) -> tuple[Rows, Integers, Integers]:
        """All events, order by order; where each order's events begin, and how many they are."""
        present = np.stack(self._present, axis=1)
        counts = present.sum(axis=1)
        return np.stack(self._events, axis=1)[present], np.cumsum(counts) - counts, counts


def _events(time: Integers, flags: Integers, updater: Integers) -> Rows:
    events = np.zeros(len(time), dtype=EVENT)
    events["time"], events["flags"], events["updater"] = time, flags, updater
    return events
