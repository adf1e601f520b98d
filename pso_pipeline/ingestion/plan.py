"""Deciding what to read: pure functions from how far each scope has come to the reads that bring it up to date.

A scope is what an endpoint reads on its own: a service or an enterprise. Add a rule about what is requested together,
again or in pieces here. Nothing here waits, fetches or opens anything.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from pso_pipeline.contract.limits import MAX_COUNT, MAX_IDS
from pso_pipeline.mews.requests import Interval, latest_end
from pso_pipeline.warehouse.landing.scope import PLAUSIBLE_LOSS, UNLISTED_FOR
from pso_pipeline.warehouse.reading import ListingRow, ScopeRow

MAX_SPREAD = timedelta(hours=6)
"""Scopes whose watermarks lie further apart are not requested together: the newer ones would be read again for
nothing."""

SLACK = timedelta(seconds=2)
"""How far an interval reaches beyond the server's estimated time, which its `Date` gives in whole seconds."""

LISTING_OVERLAP = timedelta(hours=24)
"""How far a listing of changed scopes reaches back before the one before it: they change rarely, so more is free."""

RELIST_AFTER = timedelta(hours=6)
"""How long listing the changed scopes of a large group is enough. A scope that comes into sight without a newer
`UpdatedUtc` is found by the listing of all of them only; where those fill one page, that is each time."""

RESYNC_RESUMES_WITHIN = timedelta(hours=24)
"""A full resync that was interrupted longer ago starts from the top: what it has seen says too little by then."""


@dataclass(frozen=True, slots=True)
class FullRead:
    """All history of some scopes of one enterprise, or of several where `is_joint` planned it, newest first.

    `cursor`, `started_utc` and `records` continue a read that was interrupted. `is_resync` says that the scopes had
    been read before and that what the source no longer has is to be marked; `is_ended` that an interrupted resync has
    read them to their end, so that only what changed since `started_utc` is left.
    """

    token: str
    enterprise_id: str
    scope_ids: tuple[str, ...]
    is_resync: bool = False
    started_utc: datetime | None = None
    cursor: str | None = None
    records: int = 0
    is_ended: bool = False


@dataclass(frozen=True, slots=True)
class IntervalRead:
    """What changed in scopes of any enterprises behind one token, interval after interval, oldest first.

    `is_whole` says that the request names no scope: more than one list of ids would be needed, and what changed
    elsewhere lands too.
    """

    token: str
    scope_ids: tuple[str, ...]
    intervals: tuple[Interval, ...]
    is_whole: bool = False


Read = FullRead | IntervalRead


@dataclass(frozen=True, slots=True)
class ServiceListing:
    """Which services to list through one token: all (None), or what changed in an interval and those of new hotels."""

    changes: Interval | None
    new_enterprises: tuple[str, ...] = ()


def plan_refresh(
    scopes: Collection[ScopeRow],
    token_of: Mapping[str, str],
    now: datetime,
    overlap: timedelta,
    *,
    is_joint: bool = False,
    can_omit_scope: bool = False,
) -> list[Read]:
    """Plan a refresh: intervals for what was read before, first reads for the rest.

    Scopes that could not be read last time, or that listings lack, are requested apart from the others.
    `token_of` maps the enterprises to refresh to the fingerprint of their token; scopes of others are left out.
    `now` is the server's time. Scopes that are not in use are left out. With `is_joint` all history is read of the
    hotels of a token together, for records that are few. With `can_omit_scope` a request need not name scopes.
    """
    readable = _readable(scopes, token_of)
    known = [scope for scope in readable if scope.watermark_utc is not None]
    new = [scope for scope in readable if scope.watermark_utc is None]
    return [
        *_interval_reads(known, token_of, now, overlap, can_omit_scope=can_omit_scope),
        *_full_reads(new, token_of, is_resync=False, is_joint=is_joint),
    ]


def plan_resync(
    scopes: Collection[ScopeRow], token_of: Mapping[str, str], now: datetime, *, is_joint: bool = False
) -> list[Read]:
    """Plan a full resync: all history of every scope, from where a recent one was interrupted; `is_joint` as above."""
    readable = _readable(scopes, token_of)
    known = [scope for scope in readable if scope.watermark_utc is not None]
    ended = [scope for scope in known if _is_recent(scope.resync_started_utc, now)]
    unread = [
        scope if _goes_on(scope, now) else _from_the_top(scope)
        for scope in known
        if not _is_recent(scope.resync_started_utc, now)
    ]
    new = [scope for scope in readable if scope.watermark_utc is None]
    return [
        *_ended_reads(ended, token_of),
        *_full_reads(unread, token_of, is_resync=True, is_joint=is_joint),
        *_full_reads(new, token_of, is_resync=False, is_joint=is_joint),
    ]


def choose_retired(
    refused: Collection[str], scopes: Collection[ScopeRow], token_of: Mapping[str, str], now: datetime
) -> set[str]:
    """Choose which scopes to retire: those that the API refuses (400) and that whole listings lack, `refused`.

    Not where that would leave a token without any scope, a hotel without any at once, or where the hotel is not
    listed either, unless listings have lacked them for a day: that can be a fault of the source.
    """
    readable = _readable(scopes, token_of)
    left_of_token = {token_of[each.enterprise_id] for each in readable if each.scope_id not in refused}
    left_of_hotel = {each.enterprise_id for each in readable if each.scope_id not in refused}
    lost_of_hotel = Counter(each.enterprise_id for each in readable if each.scope_id in refused)

    def is_plausible(scope: ScopeRow) -> bool:
        since = scope.unlisted_since_utc
        if since is not None and now - since >= UNLISTED_FOR:
            return True
        if scope.is_hotel_unlisted or token_of[scope.enterprise_id] not in left_of_token:
            return False
        # what this refresh alone found missing may be a hotel that has just left the scope
        is_known = since is not None and lost_of_hotel[scope.enterprise_id] <= PLAUSIBLE_LOSS
        return is_known or scope.enterprise_id in left_of_hotel

    return {each.scope_id for each in readable if each.scope_id in refused and is_plausible(each)}


def plan_listing(enterprises: Collection[ListingRow], now: datetime | None) -> ServiceListing:
    """Plan the listing of the services of one token's enterprises: what changed, where that costs less than all.

    `now` is the server's time, None where it is not known; then all are listed.
    """
    listed = [each for each in enterprises if each.listed_utc is not None]
    new = tuple(each.enterprise_id for each in enterprises if each.listed_utc is None)
    pages_of_all = sum(each.services for each in enterprises) // MAX_COUNT + 1
    pages_of_changes = 1 + len(chunks(new))
    oldest = min((each.listed_utc for each in listed if each.listed_utc), default=None)
    since = min((each.watermark_utc for each in listed if each.watermark_utc), default=None)
    if (
        now is None
        or oldest is None
        or since is None
        or not now - RELIST_AFTER < oldest <= now
        or pages_of_all <= pages_of_changes
    ):
        return ServiceListing(None)
    return ServiceListing(Interval(min(since, now) - LISTING_OVERLAP, now + SLACK), new)


def cut(start: datetime, end: datetime) -> tuple[Interval, ...]:
    """Cut a span into intervals no longer than the API takes, oldest first; neighbours share their boundary."""
    intervals = []
    start = start.replace(microsecond=0)
    while (limit := latest_end(start)) < end:
        intervals.append(Interval(start, limit))
        start = limit
    return (*intervals, Interval(start, end))


def chunks(scope_ids: Sequence[str], size: int = MAX_IDS) -> list[tuple[str, ...]]:
    """Cut a list of ids into lists that one request may hold."""
    return [tuple(scope_ids[at : at + size]) for at in range(0, len(scope_ids), size)]


def _readable(scopes: Collection[ScopeRow], token_of: Mapping[str, str]) -> list[ScopeRow]:
    return [scope for scope in scopes if scope.is_in_use and scope.enterprise_id in token_of]


def _doubt(scope: ScopeRow) -> int:
    """Rank how likely the API refuses a scope, and with it all that are in the same request."""
    if scope.unlisted_since_utc is not None or scope.is_hotel_unlisted:
        return 2
    return 1 if scope.last_error is not None else 0


def _interval_reads(
    scopes: Collection[ScopeRow],
    token_of: Mapping[str, str],
    now: datetime,
    overlap: timedelta,
    *,
    can_omit_scope: bool,
) -> Iterator[IntervalRead]:
    def together(scope: ScopeRow) -> tuple[str, int]:
        return token_of[scope.enterprise_id], _doubt(scope)

    def watermark(scope: ScopeRow) -> datetime:
        return scope.watermark_utc or now

    dated = sorted(scopes, key=lambda scope: (*together(scope), watermark(scope)))
    for (token, _), group in groupby(dated, key=together):
        for start, members in _near_each_other([(watermark(scope), scope) for scope in group]):
            # a server whose clock was set back reports a time before the watermark; nothing is lost by reading from
            # there
            intervals = cut(min(start, now) - overlap, now + SLACK)
            # scopes of one hotel are neighbours, so that those of a hotel that left the scope are found in few cuts
            members.sort(key=lambda scope: (scope.enterprise_id, scope.scope_id))
            is_whole = can_omit_scope and len(members) > MAX_IDS
            for ids in chunks([scope.scope_id for scope in members], len(members) if is_whole else MAX_IDS):
                yield IntervalRead(token, ids, intervals, is_whole)


def _near_each_other(dated: Sequence[tuple[datetime, ScopeRow]]) -> Iterator[tuple[datetime, list[ScopeRow]]]:
    group: list[ScopeRow] = []
    start: datetime | None = None
    for watermark, scope in dated:
        if start is not None and watermark - start > MAX_SPREAD:
            yield start, group
            start, group = None, []
        start = start or watermark
        group.append(scope)
    if start is not None:
        yield start, group


def _full_reads(
    scopes: Collection[ScopeRow], token_of: Mapping[str, str], *, is_resync: bool, is_joint: bool
) -> Iterator[FullRead]:
    def together(scope: ScopeRow) -> tuple[str, int, str, str]:
        started, cursor = scope.full_read_started_utc, scope.full_read_cursor
        owner = token_of[scope.enterprise_id] if is_joint else scope.enterprise_id
        return owner, _doubt(scope), str(started), cursor or ""

    for _, group in groupby(sorted(scopes, key=together), key=together):
        members = list(group)
        first = members[0]
        for ids in chunks(sorted(member.scope_id for member in members)):
            yield FullRead(
                token=token_of[first.enterprise_id],
                enterprise_id=first.enterprise_id,
                scope_ids=ids,
                is_resync=is_resync,
                started_utc=first.full_read_started_utc if first.full_read_cursor else None,
                cursor=first.full_read_cursor,
                records=first.full_read_records if first.full_read_cursor else 0,
            )


def leave_out_recent(scopes: Collection[ScopeRow], now: datetime, read_every: timedelta) -> list[ScopeRow]:
    """Leave out the scopes that were read to the end within `read_every`; `now` is the server's time."""
    return [
        each
        for each in scopes
        if each.watermark_utc is None or each.last_error is not None or not _is_within(each, now, read_every)
    ]


def _is_within(scope: ScopeRow, now: datetime, read_every: timedelta) -> bool:
    return scope.last_success_utc is not None and abs(now - scope.last_success_utc) < read_every


def _ended_reads(scopes: Collection[ScopeRow], token_of: Mapping[str, str]) -> Iterator[FullRead]:
    def together(scope: ScopeRow) -> tuple[str, int]:
        return scope.enterprise_id, _doubt(scope)

    for (enterprise_id, _), group in groupby(sorted(scopes, key=together), key=together):
        members = list(group)
        started = min(member.resync_started_utc for member in members if member.resync_started_utc)
        for ids in chunks(sorted(member.scope_id for member in members)):
            yield FullRead(
                token_of[enterprise_id], enterprise_id, ids, is_resync=True, started_utc=started, is_ended=True
            )


def _goes_on(scope: ScopeRow, now: datetime) -> bool:
    return scope.full_read_cursor is not None and _is_recent(scope.full_read_started_utc, now)


def _is_recent(started: datetime | None, now: datetime) -> bool:
    return started is not None and abs(now - started) <= RESYNC_RESUMES_WITHIN


def _from_the_top(scope: ScopeRow) -> ScopeRow:
    return replace(scope, full_read_started_utc=None, full_read_cursor=None, full_read_records=0)
