"""Finding out what the access tokens reach: enterprises, then their services.

A token that cannot be asked is reported, never read as one that sees nothing.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from pso_pipeline.contract.columns import Table
from pso_pipeline.contract.warehouse import ENTERPRISES, REJECTED_RECORDS, SERVICES
from pso_pipeline.ingestion.api import Api
from pso_pipeline.ingestion.frame import arrow_schema, frame_of, records_table, rejects_table
from pso_pipeline.mews.errors import MewsError
from pso_pipeline.mews.pagination import Page, pages
from pso_pipeline.mews.requests import GetAll, GetEnterprises, GetServices
from pso_pipeline.warehouse.connection import Warehouse
from pso_pipeline.warehouse.landing.scope import land_enterprises, land_services

Columns = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ScopeReport:
    """What listing came to: rows listed, records that could not be read, why tokens failed, by fingerprint."""

    listed: int
    rejected: int
    failures: Mapping[str, str]


async def discover_enterprises(api: Api, warehouse: Warehouse) -> ScopeReport:
    """List the enterprises of every token and land them; new ones get their partition key.

    An enterprise that several tokens see belongs to the first of them. Enterprises of tokens that fail keep their
    scope.
    """
    listing = await _list(
        api, GetEnterprises(), ENTERPRISES, lambda token: {"is_in_scope": True, "token_fingerprint": token}
    )
    answered = [token for token in api.tokens if token not in listing.failures]
    if answered:
        await asyncio.to_thread(_land_enterprises, warehouse, listing, answered)
    return listing.report()


async def discover_services(api: Api, warehouse: Warehouse) -> ScopeReport:
    """List the services of every token's enterprises and land them; services that are no longer listed stay."""
    listing = await _list(api, GetServices(), SERVICES, lambda _: {})
    await asyncio.to_thread(_land_services, warehouse, listing)
    return listing.report()


@dataclass(frozen=True, slots=True)
class TokenReach:
    """The names of the enterprises that one token sees, or why it could not be asked."""

    names: tuple[str, ...]
    error: str | None


async def reach_of_tokens(api: Api) -> list[TokenReach]:
    """Ask for the enterprises of each token, in the order of the settings; nothing lands."""
    found = await asyncio.gather(*(_pages_of(api, GetEnterprises(), token) for token in api.tokens))
    return [
        TokenReach((), str(answer))
        if isinstance(answer, MewsError)
        else TokenReach(tuple(each.name or each.id for page in answer for each in page.records), None)
        for answer in found
    ]


@dataclass(slots=True)
class _Listing:
    """The rows that tokens listed, one for each id, and the tokens that could not be asked."""

    table: Table
    rows: list[pa.Table]
    rejects: list[pa.Table]
    failures: dict[str, str]

    def report(self) -> ScopeReport:
        return ScopeReport(sum(map(len, self.rows)), sum(map(len, self.rejects)), self.failures)


async def _list(api: Api, request: GetAll[Any], table: Table, columns_of: Columns) -> _Listing:
    found = await asyncio.gather(*(_pages_of(api, request, token) for token in api.tokens))
    listing = _Listing(table, [], [], {})
    seen: set[str] = set()
    for token, answer in zip(api.tokens, found, strict=True):
        if isinstance(answer, MewsError):
            listing.failures[token] = str(answer)
            continue
        for page in answer:
            new = {record.id: record for record in page.records if record.id not in seen}
            seen.update(new)
            if new:
                listing.rows.append(records_table(list(new.values()), table, columns_of(token)))
            if page.rejects:
                listing.rejects.append(rejects_table(request.operation, page.rejects, api.clock.now(), {}))
    return listing


async def _pages_of(api: Api, request: GetAll[Any], token: str) -> list[Page[Any]] | MewsError:
    listed = []
    try:
        async for page in pages(api.client, request, api.tokens[token]):
            api.clock.observe(page.server_time)
            listed.append(page)
    except MewsError as error:
        return error
    return listed


def _land_enterprises(warehouse: Warehouse, listing: _Listing, answered: Sequence[str]) -> None:
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


def _land_services(warehouse: Warehouse, listing: _Listing) -> None:
    with warehouse.open() as connection:
        land_services(connection, frame_of(listing.rows, arrow_schema(SERVICES)), _rejects(listing))


def _rejects(listing: _Listing) -> pd.DataFrame:
    return frame_of(listing.rejects, arrow_schema(REJECTED_RECORDS))
