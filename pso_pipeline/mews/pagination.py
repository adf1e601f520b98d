"""The walk through the pages of one request, newest item first, until the data end.

Add here what concerns the order of pages: where to stop, how large they are, reading ahead. A single request is the
business of `client`; what happens to a page, of the caller.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Generic, cast, overload

from pso_pipeline.mews.client import Answer, MewsClient
from pso_pipeline.mews.errors import RepeatedCursor, TooHeavy
from pso_pipeline.mews.records import C, Contents, PageReader, R, Record, Reject
from pso_pipeline.mews.requests import GetAll, Limitation
from pso_pipeline.mews.tokens import Token

_SMALLEST_PAGE = 10
"""Items of a page below which a request that is too heavy is not made smaller any more."""

_GROW_AFTER = 4
"""Pages that must go well before one that was made smaller is doubled again."""


@dataclass(frozen=True, slots=True)
class Page(Generic[C]):
    """One page: its readable records, its rejects, and `count`, the number of items that came.

    `records` is a list of them, or what the caller had it made into.
    `cursor` is what the server sent: it continues the walk after this page. `is_last` tells that nothing follows.
    `server_time` is the server's own clock when it answered, None where it sent no `Date`.
    """

    records: C
    rejects: list[Reject]
    cursor: str | None
    count: int
    is_last: bool
    server_time: datetime | None
    request_id: str | None


def _as_they_are(records: list[R]) -> list[R]:
    return records


@overload
def pages(
    client: MewsClient, request: GetAll[R], access_token: Token, *, start_cursor: str | None = None
) -> AsyncGenerator[Page[list[R]], None]: ...


@overload
def pages(
    client: MewsClient,
    request: GetAll[R],
    access_token: Token,
    *,
    start_cursor: str | None = None,
    shape: Callable[[list[R]], C],
) -> AsyncGenerator[Page[C], None]: ...


async def pages(
    client: MewsClient,
    request: GetAll[R],
    access_token: Token,
    *,
    start_cursor: str | None = None,
    shape: Callable[[list[R]], Any] = _as_they_are,
) -> AsyncGenerator[Page[Any], None]:
    """Walk through all pages of a request, from `start_cursor` or else from the newest item.

    Ends on a null cursor or on a page shorter than asked for (API: "Pagination"). The next page is asked for while the
    caller waits for something else, one page ahead. Where a page is too heavy for the server, smaller ones are asked
    for, down to 10 items, and larger ones again after some that went well.

    `shape` makes something else of each page's records, as soon as they are read: while other pages come in, they would
    leave the processor's cache, and making a table of them then takes a third more.

    Raises RepeatedCursor where a cursor leads back, TooHeavy where not even the smallest page comes, and what
    `MewsClient.call` raises. A caller that may stop early closes the iterator (`contextlib.aclosing`).
    """
    walk = _Walk(client, request, access_token, start_cursor, shape)
    page = await walk.next_page()
    while not page.is_last:
        following = asyncio.create_task(walk.next_page())
        try:
            yield page
            page = await following
        finally:
            await _end(following)
    yield page


async def _end(task: asyncio.Task[Any]) -> None:
    """Stop a task, where it still runs, and take note of its failure, so that asyncio does not report it as lost."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


class _Walk(Generic[R, C]):
    """Where a walk stands: the cursor, those already followed, and the size of the next page."""

    def __init__(
        self,
        client: MewsClient,
        request: GetAll[R],
        access_token: Token,
        start_cursor: str | None,
        shape: Callable[[list[R]], C],
    ) -> None:
        self._client = client
        self._request = request
        self._access_token = access_token
        self._reader = cast("PageReader[R]", _reader(request.items, request.record))
        self._shape = shape
        self._size = _PageSize(request.limitation.count)
        self._cursor = start_cursor or request.limitation.cursor
        self._followed = {self._cursor}

    async def next_page(self) -> Page[C]:
        while True:
            count = self._size.count
            request = self._request.at(Limitation(count=count, cursor=self._cursor))
            try:
                answer = await self._client.call(request, self._access_token, self._read)
            except TooHeavy:
                if not self._size.shrink():
                    raise
            else:
                self._size.went_well()
                return self._page(answer, count)

    def _read(self, body: bytes) -> Contents[C]:
        contents = self._reader.read(body)
        return Contents(self._shape(contents.records), contents.rejects, contents.cursor, contents.count)

    def _page(self, answer: Answer[Contents[C]], asked_for: int) -> Page[C]:
        contents = answer.content or Contents(self._shape([]), [], None, 0)
        is_last = not contents.cursor or contents.count < asked_for
        if not is_last and contents.cursor in self._followed:
            raise RepeatedCursor(
                f"the cursor {contents.cursor!r} leads back to a page already read",
                self._request.operation,
                answer.request_id,
                answer.status,
            )
        self._cursor = contents.cursor
        self._followed.add(contents.cursor)
        return Page(
            records=contents.records,
            rejects=contents.rejects,
            cursor=contents.cursor,
            count=contents.count,
            is_last=is_last,
            server_time=answer.server_time,
            request_id=answer.request_id,
        )


class _PageSize:
    """How many items to ask for: halved when that was too heavy, doubled again after some pages that went well.

    Each time it was too heavy, twice as many must go well first: an answer that is given up costs the server tens of
    seconds.
    """

    def __init__(self, wanted: int) -> None:
        self.count = wanted
        self._wanted = wanted
        self._needed = 0
        self._went_well = 0

    def shrink(self) -> bool:
        """Ask for half; False where that would be less than the smallest page."""
        if self.count <= _SMALLEST_PAGE:
            return False
        self.count = max(_SMALLEST_PAGE, self.count // 2)
        self._needed = self._needed * 2 or _GROW_AFTER
        self._went_well = 0
        return True

    def went_well(self) -> None:
        self._went_well += 1
        if self.count < self._wanted and self._went_well >= self._needed:
            self.count = min(self._wanted, self.count * 2)
            self._went_well = 0


@cache
def _reader(items: str, record: type[Record]) -> PageReader[Record]:
    """The reader of an operation's answers, one for the process, so that what it learned serves every walk."""
    return PageReader(items, record)
