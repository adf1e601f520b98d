"""Carrying out a planned read: pages in, batches out, smaller requests where the API refuses large ones.

Holds how a read is cut in pieces when it is refused, and one function for people, `fetch_records`. What is read is
decided in `plan`; how a request is sent and retried is the business of `mews`.
"""

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus

import pandas as pd

from pso_pipeline.contract.endpoints import SERVICES, Endpoint
from pso_pipeline.contract.limits import MAX_COUNT, MAX_IDS
from pso_pipeline.ingestion.activity import current_activity
from pso_pipeline.ingestion.batches import BatchBuilder
from pso_pipeline.ingestion.clock import ServerClock, trusted
from pso_pipeline.ingestion.frames import records_frame
from pso_pipeline.ingestion.landing import RECORDS_PER_BATCH, LandingQueue
from pso_pipeline.ingestion.plan import SLACK, FullRead, IntervalRead, Read, chunks, cut
from pso_pipeline.mews.client import MewsClient
from pso_pipeline.mews.discovery import Listing, list_all
from pso_pipeline.mews.errors import (
    MewsError,
    RepeatedCursor,
    RequestRefused,
    Retriable,
    TokenRefused,
    TooHeavy,
    TooLarge,
)
from pso_pipeline.mews.pagination import Page, pages
from pso_pipeline.mews.requests import FilterValue, GetAll, Interval, Limitation
from pso_pipeline.mews.tokens import Token
from pso_pipeline.warehouse.landing.progress import Completed, Failed, FullReadProgress, Progress

log = logging.getLogger(__name__)

PAGE_SIZE = MAX_COUNT
"""Records of a page: as many as the API gives."""

PAGES_PER_LANDING = RECORDS_PER_BATCH // PAGE_SIZE
"""Pages landed together with the cursor that continues them."""

SHORTEST_INTERVAL = timedelta(minutes=1)
"""An interval that is too heavy even at this length cannot be helped by a shorter one."""

MAX_REFUSALS = 64
"""Refused requests beyond two for each that was answered, after which a read is cut by hotels and no further in search
of the culprit; and not at all where nothing was answered: no single service is to blame."""

PLAUSIBLE_REJECTS = 10
MAX_REJECTED_SHARE = 0.05
"""Where more records of a hotel's read than both of these were rejected, the read counts as failed."""

MAX_TRIALS = 12
"""Refusals of an optional endpoint after which a token that got no answer gives it up. Halving a request of 1000 hotels
until it names only the hotel to blame takes as many."""

MAX_FAULTS = 3
"""Faults in a row after which an optional endpoint is given up until the next refresh, so that nothing waits for it."""

MAX_RESTARTS = 2
"""How often a walk whose cursor was refused, or led back, starts from the top: the order behind a cursor can leave the
interval, or move ahead of the walk."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one walk requests: an interval, or all history from `cursor` on; `is_whole` as in `IntervalRead`."""

    scope_ids: tuple[str, ...]
    interval: Interval | None = None
    cursor: str | None = None
    started_utc: datetime | None = None
    records: int = 0
    restarts: int = 0
    is_whole: bool = False

    def after(self, error: MewsError) -> "list[_Piece]":
        """Return what to request after a piece failed so: nothing where that cannot help."""
        match error:
            case CursorRefused() | RepeatedCursor():
                again = replace(self.from_the_top(), restarts=self.restarts + 1)
                return [again] if again.restarts <= MAX_RESTARTS else []
            case TooHeavy():
                return self.shorter() or self.halves()
            case TooLarge() | RequestRefused(status=400 | 403) | TooManyRejects():
                return self.halves()
            case _:
                return []

    def named(self, scope_ids: Sequence[str]) -> "_Piece":
        """Return the same request for these scopes alone."""
        return replace(self.from_the_top(), scope_ids=tuple(scope_ids), is_whole=False)

    def from_the_top(self) -> "_Piece":
        """Return the same request without the progress of an earlier walk."""
        return replace(self, cursor=None, started_utc=None, records=0)

    def halves(self) -> list["_Piece"]:
        """Cut the list of scopes in two, or into lists that a request may name; nothing where there is one."""
        ids = self.scope_ids
        if len(ids) == 1:
            return []
        return [self.named(part) for part in chunks(ids, min(MAX_IDS, (len(ids) + 1) // 2))]

    def shorter(self) -> list["_Piece"]:
        """Cut the interval in two, the older half first; nothing where it cannot be cut."""
        if self.interval is None or self.interval.end_utc - self.interval.start_utc <= SHORTEST_INTERVAL:
            return []
        start, end = self.interval.start_utc, self.interval.end_utc
        middle = (start + (end - start) / 2).replace(microsecond=0)
        return [replace(self, interval=Interval(start, middle)), replace(self, interval=Interval(middle, end))]


class CursorRefused(RequestRefused):
    """The API refused a cursor that it had given out."""


class TooManyRejects(MewsError):
    """Too many records of a read of several hotels could not be read, and do not say which hotel they are of."""


@dataclass(slots=True)
class _Tally:
    """How many records of one walk came for each scope, and how many of them were rejected.

    Rejected records that name no scope of the walk count for None. `reason` is why the first one was rejected.
    """

    endpoint: Endpoint
    records: Counter[str | None] = field(default_factory=Counter)
    rejected: Counter[str | None] = field(default_factory=Counter)
    reason: str = ""

    def add(self, page: Page, scope_ids: Collection[str]) -> None:
        self.records.update(page.rows[self.endpoint.scope_column])
        for reject in page.rejects:
            self.rejected[reject.scope_id if reject.scope_id in scope_ids else None] += 1
            self.reason = self.reason or reject.reason

    def complaint(self, scopes: Collection[str | None]) -> str | None:
        """Say that too many records of these scopes were rejected; None where that is not so."""
        rejected = sum(self.rejected[each] for each in scopes)
        read = rejected + sum(self.records[each] for each in scopes)
        if rejected <= PLAUSIBLE_REJECTS or rejected <= MAX_REJECTED_SHARE * read:
            return None
        return (
            f"{self.endpoint.operation}: {rejected:,} of {read:,} records could not be read, the first "
            f"because {self.reason}: the others landed, and all are read again (see mews.rejected_records)"
        )


@dataclass(slots=True)
class Fetcher:
    """Carries out reads of one endpoint with one client and hands the pages to one queue.

    `tokens` maps fingerprints to tokens, `enterprise_of` scopes to enterprises; `unlisted` holds the services that
    the last whole listing lacked. `failures` collects, for each scope that could not be read, the one line that says
    why; `gone`, for each that the API refused and that listings lack, the same. A token that was refused is not used
    again.

    `services_of` has the services of each enterprise, for endpoints that need them; `left_out_kinds` and `language_of`
    as in `BatchBuilder`, and `left_out` counts. `given_up` says, by token, why an optional endpoint was given up: its
    scopes are not in `failures`.
    """

    endpoint: Endpoint
    client: MewsClient
    tokens: Mapping[str, Token]
    enterprise_of: Mapping[str, str]
    queue: LandingQueue
    clock: ServerClock
    overlap: timedelta
    unlisted: set[str] = field(default_factory=set)
    services_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    left_out_kinds: Collection[str] = ()
    language_of: Mapping[str, str | None] = field(default_factory=dict)
    left_out: int = 0
    given_up: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    _listed_again: set[str] = field(default_factory=set)
    _refused_tokens: dict[str, TokenRefused] = field(default_factory=dict)
    _answered: set[str] = field(default_factory=set)
    _trials: Counter[str] = field(default_factory=Counter)
    _faults: Counter[str] = field(default_factory=Counter)
    _first_reads: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def read(self, read: Read) -> None:
        """Carry out one read to its end, or note for each of its scopes why that could not be.

        Of an optional endpoint, reads wait until the first one has shown whether the token may read it at all.
        """
        if self.endpoint.is_optional and read.token not in self._answered:
            async with self._first_reads[read.token]:
                if read.token not in self._answered:
                    await self._read(read)
                    return
        await self._read(read)

    async def _read(self, read: Read) -> None:
        if isinstance(read, IntervalRead):
            await self._read_intervals(read, read.intervals)
            return
        if not read.is_ended:
            await self._read_pieces(
                read, _Piece(read.scope_ids, cursor=read.cursor, started_utc=read.started_utc, records=read.records)
            )
        if read.is_resync or read.cursor is not None:
            # a record that moved ahead of the walk would seem to be gone, and what changed since an
            # interrupted read began would be a refresh late
            since = trusted(read.started_utc or self.clock.first_reported) - self.overlap
            await self._read_intervals(read, cut(since, self.clock.now() + SLACK))

    async def _read_intervals(self, read: Read, intervals: Sequence[Interval]) -> None:
        """Read one interval after the other; their end is fixed, and what changes later is the next refresh's."""
        for interval in intervals:
            await self._read_pieces(read, _Piece(read.scope_ids, interval, is_whole=_is_whole(read)))
        end, began = intervals[-1].end_utc, self.clock.first_reported
        if began is not None and began > end:
            # planned by a local clock that is behind the server's
            for interval in cut(end, began + SLACK):
                await self._read_pieces(read, _Piece(read.scope_ids, interval, is_whole=_is_whole(read)))

    async def _read_pieces(self, read: Read, whole: _Piece) -> None:
        """Read a piece, or smaller ones if the API refuses it."""
        pending, refusals, answered = [whole], 0, 0
        while pending and read.token not in self.given_up:
            piece = self._without_failed(pending.pop())
            if piece is None:
                continue
            try:
                await self._walk(read, piece)
            except MewsError as error:
                if self._gives_up(read.token, error):
                    self.given_up[read.token] = str(error)
                    break
                if isinstance(error, TokenRefused):
                    self._refused_tokens[read.token] = error
                refusals += isinstance(error, RequestRefused | TooLarge | TooHeavy)
                sorted_out = await self._sort_out(read.token, piece, error)
                if sorted_out is not None:
                    pending += sorted_out
                    continue
                if refusals <= MAX_REFUSALS + 2 * answered:
                    smaller = piece.after(error)
                else:
                    smaller = self._by_hotel(piece) if answered else []
                pending += reversed(smaller)
                if not smaller:
                    await self._fail(piece.scope_ids, str(error))
            else:
                answered += 1
                self._answered.add(read.token)
                self._faults[read.token] = 0

    def _gives_up(self, token: str, error: MewsError) -> bool:
        """Whether an optional endpoint cannot be read with a token, as far as this error and those before it show."""
        if not self.endpoint.is_optional:
            return False
        if isinstance(error, TokenRefused) or error.status == HTTPStatus.NOT_FOUND:
            return True
        if isinstance(error, RequestRefused):
            self._trials[token] += 1
            return token not in self._answered and self._trials[token] >= MAX_TRIALS
        self._faults[token] += isinstance(error, Retriable)
        return self._faults[token] >= MAX_FAULTS

    async def _sort_out(self, token: str, piece: _Piece, error: MewsError) -> list[_Piece] | None:
        """Part services that no longer exist from a piece that the API refused; None where there are none.

        Those of a piece of nothing else are `gone`, and are not requested again.
        """
        if not isinstance(error, RequestRefused) or isinstance(error, CursorRefused) or error.status != 400:
            return None
        if self.endpoint.scope != "service":
            return None
        if not self.unlisted.issuperset(piece.scope_ids):
            await self._list_again(token, {self.enterprise_of[service] for service in piece.scope_ids})
        unlisted = [service for service in piece.scope_ids if service in self.unlisted]
        listed = [service for service in piece.scope_ids if service not in self.unlisted]
        if not unlisted:
            return None
        if listed:
            return [piece.named(unlisted), piece.named(listed)]
        self.gone.update(dict.fromkeys(unlisted, str(error)))
        return []

    async def _list_again(self, token: str, enterprise_ids: Collection[str]) -> None:
        """List all services of some hotels, once in a refresh: the listing before may be of changes alone."""
        new = sorted(set(enterprise_ids) - self._listed_again)
        if not new:
            return
        self._listed_again.update(new)
        try:
            listing = await self._list_services(self.tokens[token], new)
        except MewsError as error:
            log.warning("the services of %d hotel(s) could not be listed again: %s", len(new), error)
            return
        listed = listing.ids
        of_these = {service for service, enterprise in self.enterprise_of.items() if enterprise in set(new)}
        self.unlisted = (self.unlisted - of_these) | (of_these - listed)

    async def _list_services(self, token: Token, enterprise_ids: Sequence[str]) -> Listing:
        try:
            return await list_all(self.client, SERVICES, token, enterprise_ids=enterprise_ids)
        except RequestRefused:  # one of them has left the scope
            return await list_all(self.client, SERVICES, token)

    def _by_hotel(self, piece: _Piece) -> list[_Piece]:
        """Cut a piece by hotels; nothing where it is of one."""
        of_hotel: dict[str, list[str]] = {}
        for service in piece.scope_ids:
            of_hotel.setdefault(self.enterprise_of[service], []).append(service)
        return [piece.named(ids) for ids in of_hotel.values()] if len(of_hotel) > 1 else []

    async def _walk(self, read: Read, piece: _Piece) -> None:
        """Read one piece page by page and hand it to the queue, the last part with the completed progress."""
        began = self.clock.reported
        is_resync = isinstance(read, FullRead) and read.is_resync
        builder = BatchBuilder(
            self.endpoint,
            self.enterprise_of,
            keeps_ids=is_resync,
            left_out_kinds=self.left_out_kinds,
            language_of=self.language_of,
        )
        filters: dict[str, FilterValue | None] = {
            self.endpoint.scope_filter: None if piece.is_whole else piece.scope_ids,
            self.endpoint.interval_filter: piece.interval,
        }
        if self.endpoint.service_filter and piece.interval is None:
            filters[self.endpoint.service_filter] = [
                service for each in piece.scope_ids for service in self.services_of[each]
            ]
        request = GetAll(self.endpoint, filters, Limitation(PAGE_SIZE))
        cursor, records, seen, tally = piece.cursor, piece.records, 0, _Tally(self.endpoint)
        if read.token in self._refused_tokens:
            raise self._refused_tokens[read.token]
        activity = current_activity()
        try:
            walk = pages(self.client, request, self.tokens[read.token], start_cursor=cursor)
            async with contextlib.aclosing(walk):
                async for page in walk:
                    self.clock.observe(page.server_time)
                    began = began or page.server_time
                    builder.add(page, self.clock.stamp())
                    tally.add(page, piece.scope_ids)
                    cursor, records, seen = page.cursor, records + page.count, seen + 1
                    activity.records += page.count
                    activity.requests = sum(each.requests for each in self.client.tallies.values())
                    if seen % PAGES_PER_LANDING == 0:
                        await self.queue.put(builder.take(self._under_way(piece, began, cursor, records, is_resync)))
        except RequestRefused as error:
            if cursor is None:
                raise
            raise CursorRefused(error.message, error.operation, error.request_id, error.status) from None
        self.left_out += builder.left_out
        await self.queue.put(builder.take(self._ended(piece, began, tally, is_resync)))
        hotels = self._by_hotel(piece)
        if hotels and (complaint := tally.complaint([None])):
            raise TooManyRejects(complaint, self.endpoint.operation)

    def _under_way(
        self, piece: _Piece, began: datetime | None, cursor: str | None, records: int, is_resync: bool
    ) -> list[Progress]:
        """Return the progress of a landing within a walk: only a full read has any, which its cursor continues."""
        if piece.interval is not None or cursor is None:
            return []
        started = piece.started_utc or trusted(began)
        return [
            FullReadProgress(scope, self.enterprise_of[scope], started, cursor, records, is_resync)
            for scope in piece.scope_ids
        ]

    def _ended(self, piece: _Piece, began: datetime | None, tally: _Tally, is_resync: bool) -> list[Progress]:
        """Return the progress of a walk that ended: hotels of which too many records were rejected have failed.

        Nothing where too many records do not say which hotel they are of.
        """
        hotels = self._by_hotel(piece)
        if not hotels:
            complaint = tally.complaint([None, *piece.scope_ids])
            if complaint:
                return self._given_up(piece, complaint, is_resync)
            return self._completed(piece, began, is_resync)
        if tally.complaint([None]):
            return []
        progress: list[Progress] = []
        for hotel in hotels:
            if complaint := tally.complaint(hotel.scope_ids):
                progress += self._given_up(replace(piece, scope_ids=hotel.scope_ids), complaint, is_resync)
            else:
                progress += self._completed(replace(piece, scope_ids=hotel.scope_ids), began, is_resync)
        return progress

    def _given_up(self, piece: _Piece, complaint: str, is_resync: bool) -> list[Progress]:
        """Note that a walk that ended has failed; a full read starts from the top next time."""
        from_the_top = [
            FullReadProgress(service, self.enterprise_of[service], None, None, 0, is_resync)
            for service in (piece.scope_ids if piece.interval is None else ())
        ]
        return [*from_the_top, *self._failed(piece.scope_ids, complaint)]

    def _completed(self, piece: _Piece, began: datetime | None, is_resync: bool) -> list[Progress]:
        watermark = started = piece.started_utc or trusted(began)
        if piece.interval is not None:
            watermark = min(piece.interval.end_utc, watermark)
        succeeded, is_full = self.clock.now(), piece.interval is None
        return [
            Completed(
                service,
                self.enterprise_of[service],
                watermark,
                succeeded,
                is_full=is_full,
                resync_started_utc=started if is_full and is_resync else None,
            )
            for service in piece.scope_ids
        ]

    def _without_failed(self, piece: _Piece) -> _Piece | None:
        """Leave out the scopes that have failed: a later interval would move their watermark over the gap."""
        ids = tuple(each for each in piece.scope_ids if each not in self.failures and each not in self.gone)
        if not ids:
            return None
        return piece if ids == piece.scope_ids else replace(piece.from_the_top(), scope_ids=ids)

    async def _fail(self, scope_ids: Collection[str], error: str) -> None:
        await self.queue.put(BatchBuilder(self.endpoint, self.enterprise_of).take(self._failed(scope_ids, error)))

    def _failed(self, scope_ids: Collection[str], error: str) -> list[Progress]:
        self.failures.update(dict.fromkeys(scope_ids, error))
        return [Failed(service, self.enterprise_of[service], error) for service in scope_ids]


def _is_whole(read: Read) -> bool:
    return isinstance(read, IntervalRead) and read.is_whole


async def fetch_records(
    client: MewsClient,
    access_token: Token,
    endpoint: Endpoint,
    filters: Mapping[str, FilterValue | None] | None = None,
) -> pd.DataFrame:
    """Fetch all records of an endpoint that pass the filters, one row for each.

    The columns are those of the endpoint that the API fills, and `extra` with all else that came, as JSON. The dtypes
    are those of `ingestion/frames.py`: ids and texts `string[pyarrow]`, times `timestamp[us][pyarrow]` in UTC, amounts
    `decimal128(18, 4)[pyarrow]`, flags `bool[pyarrow]`. Records that cannot be read are left out, with a warning in
    the log. An order that changes while pages are read can come twice, the newer one last.

    Example:
        breakfasts = await fetch_records(client, token, PRODUCT_SERVICE_ORDERS, {"ServiceIds": [service_id]})
        breakfasts["state"].value_counts()

    Raises what `mews.pagination.pages` raises.
    """
    frames = []
    async with contextlib.aclosing(pages(client, GetAll(endpoint, filters or {}), access_token)) as walk:
        async for page in walk:
            frames.append(records_frame(endpoint, page.rows))
            for reject in page.rejects:
                log.warning("%s: record %s is left out: %s", endpoint.operation, reject.id, reject.reason)
    return pd.concat(frames, ignore_index=True)
