"""Carrying out a planned read: pages in, batches out, asking for less where the API says that it was too much.

Knows how a read is cut in pieces when it is refused. What is read is decided in `plan`; how a request is sent and
retried is the business of `mews`.
"""

import contextlib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pso_pipeline.contract.limits import MAX_COUNT
from pso_pipeline.ingestion.clock import ServerClock, trusted
from pso_pipeline.ingestion.frame import FrameBuilder, orders_table
from pso_pipeline.ingestion.landing import MAX_ORDERS_PER_BATCH, LandingQueue
from pso_pipeline.ingestion.plan import SLACK, FullRead, IntervalRead, Read, chunks, cut
from pso_pipeline.mews.client import MewsClient
from pso_pipeline.mews.errors import MewsError, RepeatedCursor, RequestRefused, TokenRefused, TooHeavy, TooLarge
from pso_pipeline.mews.pagination import pages
from pso_pipeline.mews.requests import GetProductServiceOrders, Interval, Limitation
from pso_pipeline.mews.tokens import Token
from pso_pipeline.warehouse.landing.progress import Completed, Failed, FullReadProgress, Progress

log = logging.getLogger(__name__)

PAGE_SIZE = MAX_COUNT
"""Orders asked for at once: as many as the API gives."""

PAGES_PER_LANDING = MAX_ORDERS_PER_BATCH // PAGE_SIZE
"""Pages landed together with the cursor that continues them."""

SHORTEST_INTERVAL = timedelta(minutes=1)
"""An interval that is too heavy even at this length cannot be helped by a shorter one."""

MAX_REFUSALS = 64
"""Refused requests beyond two for each that was answered, after which a read is not cut further in search of the
culprit: where nothing is answered at all, no single service is to blame."""

MAX_RESTARTS = 2
"""How often a walk whose cursor was refused, or led back, starts from the top: the order behind a cursor can leave the
interval, or move ahead of the walk."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one walk asks for: an interval, or all history from `cursor` on."""

    service_ids: tuple[str, ...]
    interval: Interval | None = None
    cursor: str | None = None
    started_utc: datetime | None = None
    orders: int = 0
    restarts: int = 0

    def instead(self, error: MewsError) -> "list[_Piece]":
        """Tell what to ask for in place of a piece that failed so: nothing where that cannot help."""
        match error:
            case CursorRefused() | RepeatedCursor():
                again = replace(self.from_the_top(), restarts=self.restarts + 1)
                return [again] if again.restarts <= MAX_RESTARTS else []
            case TooHeavy():
                return self.shorter() or self.halves()
            case TooLarge() | RequestRefused(status=400 | 403):
                return self.halves()
            case _:
                return []

    def from_the_top(self) -> "_Piece":
        """The same question without the progress of an earlier walk."""
        return replace(self, cursor=None, started_utc=None, orders=0)

    def halves(self) -> list["_Piece"]:
        """Cut the list of services in two; nothing where there is one."""
        ids = self.service_ids
        if len(ids) == 1:
            return []
        return [replace(self.from_the_top(), service_ids=half) for half in chunks(ids, (len(ids) + 1) // 2)]

    def shorter(self) -> list["_Piece"]:
        """Cut the interval in two, the older half first; nothing where it cannot be cut."""
        if self.interval is None or self.interval.end_utc - self.interval.start_utc <= SHORTEST_INTERVAL:
            return []
        start, end = self.interval.start_utc, self.interval.end_utc
        middle = (start + (end - start) / 2).replace(microsecond=0)
        return [replace(self, interval=Interval(start, middle)), replace(self, interval=Interval(middle, end))]


class CursorRefused(RequestRefused):
    """The API refused a cursor that it had given out."""


@dataclass(slots=True)
class Fetcher:
    """Carries out reads with one client and hands the pages to one queue.

    `tokens` maps fingerprints to tokens, `enterprise_of` services to enterprises. `failures` collects, for each
    service that could not be read, the one line that says why. A token that was refused is not used again.
    """

    client: MewsClient
    tokens: Mapping[str, Token]
    enterprise_of: Mapping[str, str]
    queue: LandingQueue
    clock: ServerClock
    overlap: timedelta
    failures: dict[str, str] = field(default_factory=dict)
    _refused_tokens: dict[str, TokenRefused] = field(default_factory=dict)

    async def read(self, read: Read) -> None:
        """Carry out one read to its end, or note for each of its services why that could not be."""
        if isinstance(read, IntervalRead):
            await self._read_intervals(read, read.intervals)
            return
        await self._read_pieces(
            read, _Piece(read.service_ids, cursor=read.cursor, started_utc=read.started_utc, orders=read.orders)
        )
        if read.is_resync or read.cursor is not None:
            # what moved ahead of the walk while it went on would look as if it were gone, and what changed since an
            # interrupted read began would be a refresh late
            since = trusted(read.started_utc or self.clock.first_reported) - self.overlap
            await self._read_intervals(read, cut(since, self.clock.now() + SLACK))

    async def _read_intervals(self, read: Read, intervals: Sequence[Interval]) -> None:
        for interval in intervals:
            await self._read_pieces(read, _Piece(read.service_ids, interval))
        end = intervals[-1].end_utc
        if self.clock.reported and self.clock.reported > end:
            # planned by a local clock that is behind the server's
            await self._read_intervals(read, cut(end, self.clock.now() + SLACK))

    async def _read_pieces(self, read: Read, whole: _Piece) -> None:
        """Read a piece, and smaller ones in its place where the API refuses it."""
        pending, refusals, answered = [whole], 0, 0
        while pending:
            piece = self._still_wanted(pending.pop())
            if piece is None:
                continue
            try:
                await self._walk(read, piece)
            except MewsError as error:
                refusals += isinstance(error, RequestRefused | TooLarge)
                smaller = piece.instead(error) if refusals <= MAX_REFUSALS + 2 * answered else []
                pending += reversed(smaller)
                if not smaller:
                    await self._fail(piece.service_ids, str(error))
                if isinstance(error, TokenRefused):
                    self._refused_tokens[read.token] = error
            else:
                answered += 1

    async def _walk(self, read: Read, piece: _Piece) -> None:
        """Read one piece page by page and hand it to the queue, the last part with the completed progress."""
        began = self.clock.reported
        is_resync = isinstance(read, FullRead) and read.is_resync
        builder = FrameBuilder(self.enterprise_of, keeps_ids=is_resync)
        request = GetProductServiceOrders(
            service_ids=piece.service_ids, updated_utc=piece.interval, limitation=Limitation(PAGE_SIZE)
        )
        cursor, orders, seen = piece.cursor, piece.orders, 0
        if read.token in self._refused_tokens:
            raise self._refused_tokens[read.token]
        try:
            walk = pages(self.client, request, self.tokens[read.token], start_cursor=cursor, shape=orders_table)
            async with contextlib.aclosing(walk):
                async for page in walk:
                    self.clock.observe(page.server_time)
                    began = began or page.server_time
                    builder.add(page, self.clock.stamp())
                    cursor, orders, seen = page.cursor, orders + page.count, seen + 1
                    if seen % PAGES_PER_LANDING == 0:
                        await self.queue.put(builder.take(self._under_way(piece, began, cursor, orders, is_resync)))
        except RequestRefused as error:
            if cursor is None:
                raise
            raise CursorRefused(error.message, error.operation, error.request_id, error.status) from None
        await self.queue.put(builder.take(self._completed(piece, began)))

    def _under_way(
        self, piece: _Piece, began: datetime | None, cursor: str | None, orders: int, is_resync: bool
    ) -> list[Progress]:
        """What a landing in the middle of a walk stands for: nothing but in a full read, which its cursor continues."""
        if piece.interval is not None or cursor is None:
            return []
        started = piece.started_utc or trusted(began)
        return [
            FullReadProgress(service, self.enterprise_of[service], started, cursor, orders, is_resync)
            for service in piece.service_ids
        ]

    def _completed(self, piece: _Piece, began: datetime | None) -> list[Progress]:
        watermark = piece.started_utc or trusted(began)
        if piece.interval is not None:
            watermark = min(piece.interval.end_utc, watermark)
        succeeded = self.clock.now()
        return [
            Completed(service, self.enterprise_of[service], watermark, succeeded, is_full=piece.interval is None)
            for service in piece.service_ids
        ]

    def _still_wanted(self, piece: _Piece) -> _Piece | None:
        """Leave out the services that have failed: a later interval would move their watermark over the gap."""
        ids = tuple(service for service in piece.service_ids if service not in self.failures)
        if not ids:
            return None
        return piece if ids == piece.service_ids else replace(piece.from_the_top(), service_ids=ids)

    async def _fail(self, service_ids: Collection[str], error: str) -> None:
        self.failures.update(dict.fromkeys(service_ids, error))
        failed = [Failed(service, self.enterprise_of[service], error) for service in service_ids]
        await self.queue.put(FrameBuilder(self.enterprise_of).take(failed))
