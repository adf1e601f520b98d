"""What an access token reaches: its enterprises and their services, whole.

Add a listing here when another resource must be known before orders can be asked for. What a listing means for
partitions and scope is decided by the caller.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic

from pso_pipeline.contract.limits import MAX_IDS
from pso_pipeline.mews.client import MewsClient
from pso_pipeline.mews.errors import TooLarge
from pso_pipeline.mews.pagination import Page, pages
from pso_pipeline.mews.records import Enterprise, R, Reject, Service
from pso_pipeline.mews.requests import GetAll, GetEnterprises, GetServices, Interval
from pso_pipeline.mews.tokens import Token


@dataclass(slots=True)
class Listing(Generic[R]):
    """All records by their id, the rejects, and the server's time at the first and the last page, where it told one.

    A failed read raises; a listing without records means that there are none.
    """

    records: dict[str, R] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    server_time: datetime | None = None
    latest_server_time: datetime | None = None

    def add(self, page: Page[R]) -> None:
        """Take the records of one more page in."""
        self.records.update((record.id, record) for record in page.records)
        self.rejects.extend(page.rejects)
        self.server_time = self.server_time or page.server_time
        self.latest_server_time = page.server_time or self.latest_server_time


async def list_enterprises(
    client: MewsClient,
    access_token: Token,
    *,
    enterprise_ids: Sequence[str] | None = None,
    updated_utc: Interval | None = None,
) -> Listing[Enterprise]:
    """All enterprises within the access token's scope, or those named, any number of them."""
    return await _list(
        client,
        access_token,
        lambda ids: GetEnterprises(enterprise_ids=ids, updated_utc=updated_utc),
        enterprise_ids,
    )


async def list_services(
    client: MewsClient,
    access_token: Token,
    *,
    enterprise_ids: Sequence[str] | None = None,
    updated_utc: Interval | None = None,
) -> Listing[Service]:
    """All services within the access token's scope, or those of the enterprises named, any number of them."""
    return await _list(
        client,
        access_token,
        lambda ids: GetServices(enterprise_ids=ids, updated_utc=updated_utc),
        enterprise_ids,
    )


async def _list(
    client: MewsClient,
    access_token: Token,
    ask_for: Callable[[Sequence[str] | None], GetAll[R]],
    ids: Sequence[str] | None,
) -> Listing[R]:
    listing: Listing[R] = Listing()
    if ids is None:
        await _read(client, access_token, ask_for, None, listing)
    else:
        for start in range(0, len(ids), MAX_IDS):
            await _read(client, access_token, ask_for, ids[start : start + MAX_IDS], listing)
    return listing


async def _read(
    client: MewsClient,
    access_token: Token,
    ask_for: Callable[[Sequence[str] | None], GetAll[R]],
    ids: Sequence[str] | None,
    listing: Listing[R],
) -> None:
    """Read one request's pages into the listing; half the ids at a time where they are too many for the server."""
    try:
        async with aclosing(pages(client, ask_for(ids), access_token)) as walk:
            async for page in walk:
                listing.add(page)
    except TooLarge:
        if ids is None or len(ids) < 2:
            raise
        middle = len(ids) // 2
        await _read(client, access_token, ask_for, ids[:middle], listing)
        await _read(client, access_token, ask_for, ids[middle:], listing)
