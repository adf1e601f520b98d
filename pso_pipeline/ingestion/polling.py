"""Polling for changes: which enterprises have changed records since the last poll, for as few requests as possible.

Each token's scopes of an endpoint, such as services, are polled together, up to 1000 of them in a request, for the
newest records that changed: a small page, and the pages after it where the server sends less than that. The changes
seen are remembered from poll to poll, so that each is reported once. Nothing lands here. What is then read, and from
when, is decided by the watermarks (`plan`): a change that a poll misses waits for the next refresh, and is not lost.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS, Endpoint
from pso_pipeline.contract.limits import MAX_IDS
from pso_pipeline.ingestion.api import Api
from pso_pipeline.ingestion.clock import UNREPORTED_MARGIN, trusted
from pso_pipeline.ingestion.plan import chunks
from pso_pipeline.mews.errors import MewsError, Permanent, TokenRefused
from pso_pipeline.mews.limiter.store import LimiterUnusable
from pso_pipeline.mews.limiter.turns import RateLimit
from pso_pipeline.mews.pagination import Page, pages
from pso_pipeline.mews.requests import FilterValue, GetAll, Interval, Limitation
from pso_pipeline.warehouse.reading import EnterpriseRow, ScopeRow

PAGE_SIZE = 250
"""Changes read for one list of services, in one response where the server fills pages. Where there are more, all
services of the list count as changed."""

OVERLAP = timedelta(minutes=2)
"""How far a poll reaches back before the one before it: orders can become visible after their `UpdatedUtc`."""

HORIZON = UNREPORTED_MARGIN + timedelta(hours=1)
"""How far a poll reaches beyond the local clock, which may be behind the server's by as much as `trusted` allows."""

LONGEST_GAP = timedelta(days=60)
"""A poll further back would pass the 3 months that an interval may have; all services count as changed then."""

SHARE_OF_LIMIT = 0.1
"""How much of a token's rate limit polling may use while nothing changes, when each list of services takes one
request: the rest belongs to refreshes and to the other users of the token."""

CONCURRENT_TOKENS = 8


class PollState(msgspec.Struct, frozen=True):
    """What polling one token left for the next poll.

    `start_utc` is where that one begins, by the server's clock, None before the first; `seen` holds digests of the
    changes already reported from there on; `polled_utc` is when it happened, by the local clock; `trouble` is why it
    failed, None where it did not.
    """

    polled_utc: datetime
    start_utc: datetime | None = None
    seen: tuple[str, ...] = ()
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll found: the states for the next one, by token fingerprint, and the enterprises that have changes."""

    states: Mapping[str, PollState]
    changed: frozenset[str]

    @property
    def troubles(self) -> tuple[str, ...]:
        """Why tokens could not be polled, each reason once."""
        return tuple(dict.fromkeys(state.trouble for state in self.states.values() if state.trouble))


def watched_services(enterprises: Iterable[EnterpriseRow], services: Iterable[ScopeRow]) -> dict[str, list[ScopeRow]]:
    """Choose, for each token, the services to poll: those read to the end before, of enterprises in scope."""
    token_of = {each.enterprise_id: each.token_fingerprint for each in enterprises if each.is_in_scope}
    watched: dict[str, list[ScopeRow]] = {}
    for service in services:
        token = token_of.get(service.enterprise_id)
        if token and service.is_in_use and service.watermark_utc is not None:
            watched.setdefault(token, []).append(service)
    return watched


def is_due(state: PollState | None, services: int, now: datetime, limits: RateLimit) -> bool:
    """Check whether a token with so many services may be polled again: within `SHARE_OF_LIMIT` of its limit.

    14,000 services take 14 requests, which the documented limit allows every 21 seconds.
    """
    if state is None or state.polled_utc > now:
        return True
    requests = math.ceil(services / MAX_IDS)
    pause = requests * limits.window_seconds / (limits.requests * SHARE_OF_LIMIT)
    return now - state.polled_utc >= timedelta(seconds=pause)


async def poll(
    api: Api,
    watched: Mapping[str, Sequence[ScopeRow]],
    states: Mapping[str, PollState],
    *,
    seconds: float,
    endpoint: Endpoint = PRODUCT_SERVICE_ORDERS,
    left_out_kinds: Collection[str] = (),
) -> Polled:
    """Poll each token of `watched` once; what takes longer than `seconds` is polled next time.

    Changes of records of the `left_out_kinds` are none.

    A token that fails keeps its state. When a token is refused for the first time, all its enterprises count as
    changed, so that a refresh finds out and reports it; when it works again, those that had failed.
    """
    slots = asyncio.Semaphore(CONCURRENT_TOKENS)
    end = asyncio.get_running_loop().time() + seconds

    async def poll_in_turn(token: str) -> tuple[PollState, set[str]]:
        before = states.get(token) or PollState(datetime.now(UTC))
        try:
            async with asyncio.timeout_at(end), slots:
                return await _poll_token(api, token, watched[token], before, endpoint, left_out_kinds)
        except TimeoutError:
            return _failed(before, f"polling for changes took more than {seconds:.0f} s"), set()

    tokens = [token for token in watched if token in api.tokens]
    found = await asyncio.gather(*map(poll_in_turn, tokens))
    return Polled(
        {token: state for token, (state, _) in zip(tokens, found, strict=True)},
        frozenset().union(*(changed for _, changed in found)),
    )


async def _poll_token(  # noqa: PLR0917 - what one poll of a token is about
    api: Api,
    token: str,
    services: Sequence[ScopeRow],
    before: PollState,
    endpoint: Endpoint,
    left_out_kinds: Collection[str],
) -> tuple[PollState, set[str]]:
    # one service that the server refuses would make it refuse the whole request
    healthy = [each for each in services if each.last_error is None and each.unlisted_since_utc is None]
    now = datetime.now(UTC)
    start = _start(services, before, now)
    interval = Interval(max(start, now - LONGEST_GAP), max(start, now) + HORIZON)
    enterprise_of = {service.scope_id: service.enterprise_id for service in services}
    found = _Found(endpoint, left_out_kinds, set(enterprise_of.values()) if start < now - LONGEST_GAP else set())
    asked = healthy or ([] if endpoint.is_optional else services)
    if not asked:
        return msgspec.structs.replace(before, polled_utc=now), set()
    for ids in chunks(sorted(service.scope_id for service in asked)):
        filters: dict[str, FilterValue] = {endpoint.scope_filter: ids, endpoint.interval_filter: interval}
        request = GetAll(endpoint, filters, Limitation(PAGE_SIZE))
        try:
            async with aclosing(pages(api.client, request, api.tokens[token])) as walk:
                await found.read(walk, before.seen, {service: enterprise_of[service] for service in ids})
        except TokenRefused as error:
            found.error = error
            break
        except (MewsError, LimiterUnusable) as error:
            found.error = error
    if found.error is not None:
        if isinstance(found.error, Permanent) and before.trouble is None and not endpoint.is_optional:
            found.changed.update(service.enterprise_id for service in healthy)
        return _failed(before, str(found.error), found.seen), found.changed
    if before.trouble is not None:
        found.changed.update(service.enterprise_id for service in services if service.last_error)
    reached = trusted(found.server_time)
    # a full page has left changes out; the refresh that follows reads them, and the next poll need not
    following = reached if found.is_cut else reached - OVERLAP
    return PollState(now, max(following, start), tuple(sorted(found.seen))), found.changed


def _start(services: Sequence[ScopeRow], before: PollState, now: datetime) -> datetime:
    """Return where a poll begins: where the last one said, or at the watermark of a service that was read since."""
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
    """What the responses to one poll contained so far."""

    endpoint: Endpoint
    left_out_kinds: Collection[str]
    changed: set[str]
    seen: frozenset[str] = frozenset()
    server_time: datetime | None = None
    is_cut: bool = False
    error: MewsError | LimiterUnusable | None = None

    async def read(self, walk: AsyncIterator[Page], seen: Collection[str], enterprise_of: Mapping[str, str]) -> None:
        """Read the changes of some services to their end, or as many of them as one page may hold."""
        changes = 0
        async for page in walk:
            self.server_time = self.server_time or page.server_time
            versions = dict(_versions(page, self.endpoint, self.left_out_kinds))
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


def _versions(page: Page, endpoint: Endpoint, left_out_kinds: Collection[str]) -> Iterator[tuple[str, str | None]]:
    """Give the digest of each version of a record in a page, and its scope."""
    promised = [column.name for column in endpoint.fields if column.is_promised]
    kinds = page.rows.get(endpoint.kind_column) or [None] * len(page.rows["id"])
    columns = (page.rows[name] for name in ("id", "updated_utc", endpoint.scope_column, *promised))
    for kind, (identifier, updated, scope, *rest) in zip(kinds, zip(*columns, strict=True), strict=True):
        if kind not in left_out_kinds:
            yield _digest(f"{identifier} {updated.isoformat()} {' '.join(map(str, rest))}"), scope
    for reject in page.rejects:
        yield _digest(reject.raw_json), reject.scope_id


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _failed(before: PollState, reason: str, seen: Collection[str] = ()) -> PollState:
    return msgspec.structs.replace(
        before, polled_utc=datetime.now(UTC), seen=tuple(sorted({*before.seen, *seen})), trouble=reason
    )
