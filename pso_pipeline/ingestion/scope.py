"""Finding out what the access tokens reach: enterprises, then their services.

A token that cannot be asked is reported, never read as one that sees nothing. Which listings are needed is decided in
`plan`.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from pso_pipeline.contract.columns import Table
from pso_pipeline.contract.warehouse import ENTERPRISES, REJECTED_RECORDS, SERVICES
from pso_pipeline.ingestion.api import Api
from pso_pipeline.ingestion.clock import trusted
from pso_pipeline.ingestion.frame import arrow_schema, frame_of, records_table, rejects_table
from pso_pipeline.ingestion.plan import ServiceListing, plan_listing
from pso_pipeline.mews.discovery import Listing, list_enterprises, list_services
from pso_pipeline.mews.errors import MewsError
from pso_pipeline.mews.limiter import LimiterUnusable
from pso_pipeline.mews.records import Service
from pso_pipeline.mews.requests import GetEnterprises, GetServices
from pso_pipeline.warehouse.connection import Warehouse
from pso_pipeline.warehouse.landing.scope import Listed, land_enterprises, land_services
from pso_pipeline.warehouse.reading import ListingRow, read_enterprises, read_listings

Columns = Callable[[str], Mapping[str, Any]]
Unanswered = MewsError | LimiterUnusable


@dataclass(frozen=True, slots=True)
class ScopeReport:
    """What listing came to: rows known by it, records that could not be read, why tokens failed, by fingerprint."""

    listed: int
    rejected: int
    failures: Mapping[str, str]


async def discover_enterprises(api: Api, warehouse: Warehouse) -> ScopeReport:
    """List the enterprises of every token and land them; new ones get their partition key.

    An enterprise that several tokens see belongs to the first of them. Enterprises of tokens that fail keep their
    scope. All are listed each time, since nothing else tells which have left; one request for each 1000 of them. A
    token that reached some before and now reaches none has failed, too: its hotels go out of scope, and not in silence.
    """
    found = await _ask_each(api, api.tokens, lambda token: list_enterprises(api.client, api.tokens[token]))
    listing = _listing(
        api,
        found,
        GetEnterprises.operation,
        ENTERPRISES,
        lambda token: {"is_in_scope": True, "token_fingerprint": token},
    )
    answered = [token for token in api.tokens if token not in listing.failures]
    if answered:
        reached = await asyncio.to_thread(_land_enterprises, warehouse, listing, answered)
        for number, (token, answer) in enumerate(found.items(), 1):
            if not isinstance(answer, Unanswered) and not answer.records and reached[token]:
                listing.failures[token] = (
                    f"{GetEnterprises.operation}: access token {number} lists no enterprise any more, and listed "
                    f"{reached[token]} before: link them again, or take it out of MEWS_ACCESS_TOKENS"
                )
    return listing.report()


async def discover_services(api: Api, warehouse: Warehouse, unusable: Collection[str] = ()) -> ScopeReport:
    """List the services of every token's enterprises and land them; services that are no longer listed stay.

    Where all of them take more than one request, only what changed and what new enterprises sell is listed most times.
    `unusable` are fingerprints of tokens that could not list their enterprises: they are not asked again.
    """
    known = await asyncio.to_thread(_read_listings, warehouse)
    now = api.clock.now() if api.clock.reported else None
    plans = {token: plan_listing(known.get(token, ()), now) for token in api.tokens if token not in unusable}
    began = api.clock.reported
    found = await _ask_each(api, plans, lambda token: _list_services(api, token, plans[token]))
    listing = _listing(api, found, GetServices.operation, SERVICES, lambda _: {})
    listed = [
        each
        for token, answer in found.items()
        if not isinstance(answer, Unanswered)
        for each in _listed(known.get(token, ()), plans[token], trusted(began or answer.server_time))
    ]
    return replace(listing.report(), listed=await asyncio.to_thread(_land_services, warehouse, listing, listed))


@dataclass(frozen=True, slots=True)
class TokenReach:
    """The names of the enterprises that one token sees, or why it could not be asked."""

    names: tuple[str, ...]
    error: str | None


async def reach_of_tokens(api: Api) -> list[TokenReach]:
    """Ask for the enterprises of each token, in the order of the settings; nothing lands."""
    found = await _ask_each(api, api.tokens, lambda token: list_enterprises(api.client, api.tokens[token]))
    return [
        TokenReach((), str(answer))
        if isinstance(answer, Unanswered)
        else TokenReach(tuple(each.name or each.id for each in answer.records.values()), None)
        for answer in found.values()
    ]


@dataclass(slots=True)
class _Rows:
    """The rows that tokens listed, one for each id, and the tokens that could not be asked."""

    rows: list[pa.Table]
    rejects: list[pa.Table]
    failures: dict[str, str]

    def report(self) -> ScopeReport:
        return ScopeReport(sum(map(len, self.rows)), sum(map(len, self.rejects)), self.failures)


async def _ask_each(
    api: Api, tokens: Collection[str], ask: Callable[[str], Awaitable[Listing[Any]]]
) -> dict[str, Listing[Any] | Unanswered]:
    async def asking(token: str) -> Listing[Any] | Unanswered:
        try:
            answer = await ask(token)
        except (MewsError, LimiterUnusable) as error:
            return error
        api.clock.observe(answer.latest_server_time)
        return answer

    return dict(zip(tokens, await asyncio.gather(*map(asking, tokens)), strict=True))


async def _list_services(api: Api, token: str, plan: ServiceListing) -> Listing[Service]:
    secret = api.tokens[token]
    listing = await list_services(api.client, secret, updated_utc=plan.changes)
    if plan.new_enterprises:
        of_new = await list_services(api.client, secret, enterprise_ids=plan.new_enterprises)
        listing.records.update(of_new.records)
        listing.rejects.extend(of_new.rejects)
    return listing


def _listed(enterprises: Sequence[ListingRow], plan: ServiceListing, began: datetime) -> list[Listed]:
    """Tell how far which enterprises have been listed by a plan that was carried out."""
    new = set(plan.new_enterprises)
    return [
        Listed(
            each.enterprise_id,
            each.token_fingerprint,
            listed_utc=began if plan.changes is None or each.enterprise_id in new else None,
            watermark_utc=began if plan.changes is None else min(began, plan.changes.end_utc),
        )
        for each in enterprises
        if each.token_fingerprint is not None
    ]


def _listing(
    api: Api, found: Mapping[str, Listing[Any] | Unanswered], operation: str, table: Table, columns_of: Columns
) -> _Rows:
    listing = _Rows([], [], {})
    seen: set[str] = set()
    for token, answer in found.items():
        if isinstance(answer, Unanswered):
            listing.failures[token] = str(answer)
            continue
        new = [record for record in answer.records.values() if record.id not in seen]
        seen.update(record.id for record in new)
        if new:
            listing.rows.append(records_table(new, table, columns_of(token)))
        if answer.rejects:
            listing.rejects.append(rejects_table(operation, answer.rejects, api.clock.now(), {}))
    return listing


def _land_enterprises(warehouse: Warehouse, listing: _Rows, answered: Sequence[str]) -> Counter[str | None]:
    """Land enterprises; return how many each token reached last, whether they are in scope or not."""
    schema = arrow_schema(ENTERPRISES)
    schema = schema.remove(schema.get_field_index("partition_key"))
    with warehouse.open() as connection:
        land_enterprises(
            connection,
            frame_of(listing.rows, schema),
            _rejects(listing),
            answered=answered,
            all_answered=not listing.failures,
        )
        return Counter(each.token_fingerprint for each in read_enterprises(connection))


def _read_listings(warehouse: Warehouse) -> dict[str, list[ListingRow]]:
    """Read how far services have been listed, by the fingerprint of the token."""
    by_token: dict[str, list[ListingRow]] = {}
    with warehouse.open() as connection:
        for each in read_listings(connection):
            by_token.setdefault(each.token_fingerprint or "", []).append(each)
    return by_token


def _land_services(warehouse: Warehouse, listing: _Rows, listed: Sequence[Listed]) -> int:
    with warehouse.open() as connection:
        return land_services(connection, frame_of(listing.rows, arrow_schema(SERVICES)), _rejects(listing), listed)


def _rejects(listing: _Rows) -> pd.DataFrame:
    return frame_of(listing.rejects, arrow_schema(REJECTED_RECORDS))
