"""What an access token can access: its enterprises and their services, listed whole.

Add a listing here when another resource must be known before records can be requested. What a listing means for
partitions and scope is decided by the caller.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.contract.limits import MAX_IDS
from pso_pipeline.mews.client import MewsClient
from pso_pipeline.mews.errors import TooLarge
from pso_pipeline.mews.pagination import Page, pages
from pso_pipeline.mews.records import Reject, Rows
from pso_pipeline.mews.requests import GetAll, Interval
from pso_pipeline.mews.tokens import Token


@dataclass(slots=True)
class Listing:
    """All records as rows, the rejects, and the server's time at the first and the last page, where it sent one.

    A record that moved while pages were read is in it twice, the later one last. A failed read raises; a listing
    without rows means that there are none.
    """

    rows: Rows = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    server_time: datetime | None = None
    latest_server_time: datetime | None = None

    @property
    def ids(self) -> set[str]:
        """The ids of all records that were listed, also of those that could not be read."""
        return {*self.rows.get("id", ()), *(reject.id for reject in self.rejects if reject.id)}

    def add(self, page: "Page | Listing") -> None:
        """Take in the records of one more page, or of another listing."""
        for name, values in page.rows.items():
            self.rows.setdefault(name, []).extend(values)
        self.rejects.extend(page.rejects)
        self.server_time = self.server_time or page.server_time
        self.latest_server_time = page.server_time or self.latest_server_time


async def list_all(
    client: MewsClient,
    endpoint: Endpoint,
    access_token: Token,
    *,
    enterprise_ids: Sequence[str] | None = None,
    updated_utc: Interval | None = None,
) -> Listing:
    """List all records of an endpoint that a token can see, or those of the enterprises named, any number of them."""
    listing = Listing()
    if enterprise_ids is None:
        await _read(client, GetAll(endpoint, {"UpdatedUtc": updated_utc}), access_token, listing)
        return listing
    waiting = [enterprise_ids[at : at + MAX_IDS] for at in range(0, len(enterprise_ids), MAX_IDS)]
    while waiting:
        ids = waiting.pop(0)
        try:
            request = GetAll(endpoint, {"EnterpriseIds": ids, "UpdatedUtc": updated_utc})
            await _read(client, request, access_token, listing)
        except TooLarge:
            if len(ids) < 2:
                raise
            middle = len(ids) // 2
            waiting[:0] = [ids[:middle], ids[middle:]]
    return listing


async def _read(client: MewsClient, request: GetAll, access_token: Token, listing: Listing) -> None:
    async with aclosing(pages(client, request, access_token)) as walk:
        async for page in walk:
            listing.add(page)
