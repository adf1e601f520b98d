"""The probe: which enterprises have changes since the last look, for as few requests as can be. Nothing lands here.

Each token is asked for the newest orders that changed in all its services, up to 1000 of them a request, a small page
of each, and what follows where the server sends less than that. What was met is remembered from look to look, so that a
change is reported once. What is then read, and from when, is decided by the watermarks (`plan`): a change that a look
misses waits for the next refresh, and is not lost.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS
from pso_pipeline.contract.enums import BOOKABLE
from pso_pipeline.contract.limits import MAX_IDS
from pso_pipeline.ingestion.api import Api
from pso_pipeline.ingestion.clock import UNREPORTED_MARGIN, trusted
from pso_pipeline.ingestion.plan import chunks
from pso_pipeline.mews.errors import MewsError, Permanent, TokenRefused
from pso_pipeline.mews.limiter import RateLimit
from pso_pipeline.mews.pagination import Page, pages
from pso_pipeline.mews.requests import FilterValue, GetAll, Interval, Limitation
from pso_pipeline.warehouse.reading import EnterpriseRow, ServiceRow

PAGE_SIZE = 250
"""Changes looked at for one list of services, in one answer where the server fills pages. Where there are more, all
services asked for count as changed."""

OVERLAP = timedelta(minutes=2)
"""How far a look reaches back before the one before it: orders can become visible after their `UpdatedUtc`."""

HORIZON = UNREPORTED_MARGIN + timedelta(hours=1)
"""How far a look reaches beyond the local clock, which may be behind the server's by as much as `trusted` bears."""

LONGEST_GAP = timedelta(days=60)
"""A look further back would pass the 3 months that an interval may have; all services count as changed then."""

SHARE_OF_LIMIT = 0.1
"""How much of a token's requests looking may use while nothing changes, when each list of services takes one: the rest
belongs to refreshes and to the other users of the token."""

CONCURRENT_TOKENS = 8


class Look(msgspec.Struct, frozen=True):
    """What looking at one token left behind, for the next look.

    `start_utc` is where that one begins, by the server's clock, None before the first; `seen` holds digests of the
    changes already reported from there on; `looked_utc` is when it happened, by the local clock; `trouble` is why it
    failed, None where it did not.
    """

    looked_utc: datetime
    start_utc: datetime | None = None
    seen: tuple[str, ...] = ()
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe found: the looks to go on from, by token fingerprint, and the enterprises that have changes."""

    looks: Mapping[str, Look]
    changed: frozenset[str]

    @property
    def troubles(self) -> tuple[str, ...]:
        """Why tokens could not be asked, each reason once."""
        return tuple(dict.fromkeys(look.trouble for look in self.looks.values() if look.trouble))


def watched_services(
    enterprises: Iterable[EnterpriseRow], services: Iterable[ServiceRow]
) -> dict[str, list[ServiceRow]]:
    """Choose, for each token, the services to look at: those read to the end before, of enterprises in scope."""
    token_of = {each.enterprise_id: each.token_fingerprint for each in enterprises if each.is_in_scope}
    watched: dict[str, list[ServiceRow]] = {}
    for service in services:
        token = token_of.get(service.enterprise_id)
        is_in_use = service.kind != BOOKABLE and not service.is_retired
        if token and is_in_use and service.watermark_utc is not None:
            watched.setdefault(token, []).append(service)
    return watched


def is_due(look: Look | None, services: int, now: datetime, limits: RateLimit) -> bool:
    """Whether a token with so many services may be looked at again: never for more than `SHARE_OF_LIMIT` of its limit.

    14,000 services take 14 requests, which the documented limit allows every 21 seconds.
    """
    if look is None or look.looked_utc > now:
        return True
    requests = math.ceil(services / MAX_IDS)
    pause = requests * limits.window_seconds / (limits.requests * SHARE_OF_LIMIT)
    return now - look.looked_utc >= timedelta(seconds=pause)


async def probe(
    api: Api, watched: Mapping[str, Sequence[ServiceRow]], looks: Mapping[str, Look], *, seconds: float
) -> Probed:
    """Look at each token of `watched` once; what takes longer than `seconds` is looked at next time.

    A token that fails keeps where it was. One that is refused, newly, has all its enterprises count as changed, so that
    a refresh finds out and says so; one that answers again, those that had failed.
    """
    slots = asyncio.Semaphore(CONCURRENT_TOKENS)
    end = asyncio.get_running_loop().time() + seconds

    async def look_in_turn(token: str) -> tuple[Look, set[str]]:
        before = looks.get(token) or Look(datetime.now(UTC))
        try:
            async with asyncio.timeout_at(end), slots:
                return await _look(api, token, watched[token], before)
        except TimeoutError:
            return _failed(before, f"looking for changes took more than {seconds:.0f} s"), set()

    tokens = [token for token in watched if token in api.tokens]
    found = await asyncio.gather(*map(look_in_turn, tokens))
    return Probed(
        {token: look for token, (look, _) in zip(tokens, found, strict=True)},
        frozenset().union(*(changed for _, changed in found)),
    )


async def _look(api: Api, token: str, services: Sequence[ServiceRow], before: Look) -> tuple[Look, set[str]]:
    # services that a refresh could not read would have the server refuse those asked for beside them
    healthy = [each for each in services if each.last_error is None and each.unlisted_since_utc is None]
    now = datetime.now(UTC)
    start = _start(services, before, now)
    interval = Interval(max(start, now - LONGEST_GAP), max(start, now) + HORIZON)
    enterprise_of = {service.service_id: service.enterprise_id for service in services}
    found = _Found(set(enterprise_of.values()) if start < now - LONGEST_GAP else set())
    for ids in chunks(sorted(service.service_id for service in healthy or services)):
        filters: dict[str, FilterValue] = {"ServiceIds": ids, "UpdatedUtc": interval}
        request = GetAll(PRODUCT_SERVICE_ORDERS, filters, Limitation(PAGE_SIZE))
        try:
            async with aclosing(pages(api.client, request, api.tokens[token])) as walk:
                await found.read(walk, before.seen, {service: enterprise_of[service] for service in ids})
        except TokenRefused as error:
            found.error = error
            break
        except MewsError as error:
            found.error = error
    if found.error is not None:
        if isinstance(found.error, Permanent) and before.trouble is None:
            found.changed.update(service.enterprise_id for service in healthy)
        return _failed(before, str(found.error), found.seen), found.changed
    if before.trouble is not None:
        found.changed.update(service.enterprise_id for service in services if service.last_error)
    reached = trusted(found.server_time)
    # a full page has left changes out; the refresh that it asks for reads them, and looking again need not
    following = reached if found.is_cut else reached - OVERLAP
    return Look(now, max(following, start), tuple(sorted(found.seen))), found.changed


def _start(services: Sequence[ServiceRow], before: Look, now: datetime) -> datetime:
    """Tell where a look begins: where the last one said, or where the read of a service ended that ended since then."""
    if before.start_utc is None:
        return min(service.watermark_utc or now for service in services) - OVERLAP
    ended = (
        service.watermark_utc
        for service in services
        if service.watermark_utc and service.last_success_utc and service.last_success_utc > before.start_utc
    )
    return min([before.start_utc, *ended])


@dataclass(slots=True)
class _Found:
    """What the answers to one look have told so far."""

    changed: set[str]
    seen: frozenset[str] = frozenset()
    server_time: datetime | None = None
    is_cut: bool = False
    error: MewsError | None = None

    async def read(self, walk: AsyncIterator[Page], seen: Collection[str], enterprise_of: Mapping[str, str]) -> None:
        """Read the changes of some services to their end, or as many of them as one page may hold."""
        changes = 0
        async for page in walk:
            self.server_time = self.server_time or page.server_time
            versions = dict(_versions(page))
            self.seen |= versions.keys()
            new = [versions[digest] for digest in versions.keys() - set(seen)]
            self.changed.update(
                enterprise_of[service] for service in new if service is not None and service in enterprise_of
            )
            changes += page.count
            if changes >= PAGE_SIZE and not page.is_last:
                self.is_cut = True
                self.changed.update(enterprise_of.values())
                return


def _versions(page: Page) -> Iterator[tuple[str, str | None]]:
    """Give the digest of each version of an order in a page, and its service."""
    columns = (page.rows[name] for name in ("id", "updated_utc", "state", "service_id"))
    for identifier, updated, state, service in zip(*columns, strict=True):
        yield _digest(f"{identifier} {updated.isoformat()} {state}"), service
    for reject in page.rejects:
        yield _digest(reject.raw_json), reject.scope_id


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _failed(before: Look, reason: str, seen: Collection[str] = ()) -> Look:
    return msgspec.structs.replace(
        before, looked_utc=datetime.now(UTC), seen=tuple(sorted({*before.seen, *seen})), trouble=reason
    )
