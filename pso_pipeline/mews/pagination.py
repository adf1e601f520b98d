"""The walk through the pages of one request, newest item first, until the data end.

Add here what concerns the order of pages: where to stop, how large they are, reading ahead. A single request is the
business of `client`; what happens to a page, of the caller.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pso_pipeline.mews.client import MewsClient
from pso_pipeline.mews.errors import EndlessWalk, OversizedResponse, RepeatedCursor, TooHeavy
from pso_pipeline.mews.records import Contents, Reject, Rows, page_reader
from pso_pipeline.mews.requests import GetAll, Limitation
from pso_pipeline.mews.responses import ApiResponse
from pso_pipeline.mews.tokens import Token

_SMALLEST_PAGE = 10
"""Items of a page below which a request that is too heavy is not made smaller any more."""

_MOST_PAGES = 100_000
"""Pages after which a walk is given up: a hundred million orders where they are full."""

_KNOWN_PAGES = 3
"""Pages in a row without anything new after which a walk is given up. Items that move can make one or two."""

_REMEMBERED_ITEMS = 20_000
"""Items that a walk remembers at least, the latest ones, to see whether a page brings anything new."""

_GROW_AFTER = 4
"""Pages that must go well before one that was made smaller is doubled again."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its readable records as rows, its rejects, and `count`, the number of items that came.

    `cursor` is what the server sent: it continues the walk after this page. `is_last` is true where nothing follows.
    `server_time` is the server's own clock when it answered, None where it sent no `Date`.
    """

    rows: Rows
    rejects: list[Reject]
    cursor: str | None
    count: int
    is_last: bool
    server_time: datetime | None
    request_id: str | None


async def pages(
    client: MewsClient,
    request: GetAll,
    access_token: Token,
    *,
    start_cursor: str | None = None,
) -> AsyncGenerator[Page, None]:
    """Walk through all pages of a request, from `start_cursor` or else from the newest item.

    Ends on a null or empty cursor or on an empty page; a page shorter than requested is not the end (API:
    "Pagination"). The next page is requested while the caller waits for something else, one page ahead. Where a page is
    too heavy for the server, or its body over the limit of what is read, smaller ones are requested, down to 10 items,
    and larger ones again after some that went well.

    Raises RepeatedCursor where pages lead back, EndlessWalk where they are too many, TooHeavy or OversizedResponse
    where not even the smallest page comes, and what `MewsClient.call` raises. A caller that may stop early closes the
    iterator (`contextlib.aclosing`).
    """
    walk = _Walk(client, request, access_token, start_cursor)
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


class _Walk:
    """Where a walk stands: the cursor, those already followed, items already seen, and the size of the next page."""

    def __init__(
        self,
        client: MewsClient,
        request: GetAll,
        access_token: Token,
        start_cursor: str | None,
    ) -> None:
        self._client = client
        self._request = request
        self._access_token = access_token
        self._reader = page_reader(request.endpoint)
        self._size = _PageSize(request.limitation.count)
        self._cursor = start_cursor or request.limitation.cursor
        self._followed = {self._cursor}
        self._seen: deque[set[str]] = deque()
        self._known_pages = 0

    async def next_page(self) -> Page:
        while True:
            count = self._size.count
            request = self._request.at(Limitation(count=count, cursor=self._cursor))
            try:
                response = await self._client.call(request, self._access_token, self._reader.read)
            except (TooHeavy, OversizedResponse):
                if not self._size.shrink():
                    raise
            else:
                self._size.went_well()
                return self._page(response)

    def _page(self, response: ApiResponse[Contents]) -> Page:
        contents = response.content or self._reader.nothing()
        is_last = not contents.cursor or contents.count == 0
        if not is_last:
            self._check_progress(contents, response)
        self._cursor = contents.cursor
        self._followed.add(contents.cursor)
        return Page(
            rows=contents.rows,
            rejects=contents.rejects,
            cursor=contents.cursor,
            count=contents.count,
            is_last=is_last,
            server_time=response.server_time,
            request_id=response.request_id,
        )

    def _check_progress(self, contents: Contents, response: ApiResponse[Contents]) -> None:
        """Give the walk up where it leads nowhere."""
        items = set(contents.rows["id"])
        items |= {each.id or str(hash(each.raw_json)) for each in contents.rejects}
        is_known = all(any(item in page for page in self._seen) for item in items)
        self._known_pages = self._known_pages + 1 if is_known else 0
        self._seen.append(items)
        while sum(map(len, self._seen)) - len(self._seen[0]) > _REMEMBERED_ITEMS:
            self._seen.popleft()
        if contents.cursor in self._followed:
            shown = self._client.hide_tokens(contents.cursor or "", self._access_token)
            raise self._failure(RepeatedCursor, f"the cursor {shown!r} leads back to a page already read", response)
        if self._known_pages >= _KNOWN_PAGES:
            raise self._failure(RepeatedCursor, f"{_KNOWN_PAGES} pages in a row brought nothing new", response)
        if len(self._followed) >= _MOST_PAGES:
            raise self._failure(EndlessWalk, f"the pages have not ended after {_MOST_PAGES} of them", response)

    def _failure(self, kind: type[EndlessWalk], problem: str, response: ApiResponse[Any]) -> EndlessWalk:
        return kind(problem, self._request.operation, response.request_id, response.status)


class _PageSize:
    """How many items to request: halved when that was too heavy, doubled again after some pages that went well.

    Each time it was too heavy, twice as many must go well first: a response that is given up costs the server tens of
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
