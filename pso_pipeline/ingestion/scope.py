"""Listing what the access tokens can access: enterprises, then their services.

A token whose listing fails is reported, never taken for one that can access nothing. Which listings are needed is
decided in `plan`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pandas as pd

from pso_pipeline.contract.endpoints import ENDPOINTS, ENTERPRISES, PRODUCT_SERVICE_ORDERS, SERVICES, Endpoint
from pso_pipeline.contract.warehouse import REJECTED_RECORDS
from pso_pipeline.ingestion.api import Api
from pso_pipeline.ingestion.clock import trusted
from pso_pipeline.ingestion.frames import concatenated, empty_frame, records_frame, rejects_frame
from pso_pipeline.ingestion.plan import ServiceListing, plan_listing
from pso_pipeline.mews.discovery import Listing, list_all
from pso_pipeline.mews.errors import MewsError
from pso_pipeline.mews.limiter.store import LimiterUnusable
from pso_pipeline.mews.pagination import pages
from pso_pipeline.mews.records import Reject
from pso_pipeline.mews.requests import GetAll, Limitation
from pso_pipeline.warehouse.landing.correcting import correct_listings
from pso_pipeline.warehouse.landing.scope import (
    MAX_LOST_SHARE,
    TOKEN_IS_IN_USE_FOR,
    UNLISTED_FOR,
    Leftover,
    Listed,
    Loss,
    Offer,
    ScopeChange,
    ServiceLoss,
    land_enterprises,
    land_services,
)
from pso_pipeline.warehouse.reading import ListingRow, read_listings
from pso_pipeline.warehouse.session import Warehouse

log = logging.getLogger(__name__)

SHOWN_HOTELS = 5
"""Hotels that a message names; of more, it says how many."""

Columns = Callable[[str], Mapping[str, Any]]
Unanswered = MewsError | LimiterUnusable


@dataclass(frozen=True, slots=True)
class ScopeReport:
    """The result of a listing.

    `listed` counts the rows known by it, `rejected` the records that could not be read; `failures` says why tokens
    failed, by fingerprint. `problems` are losses that were refused as implausible: a person has to check them, and
    everything is read as before. `notices` are changes of the scope that were made, a line each.
    """

    listed: int
    rejected: int
    failures: Mapping[str, str]
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


async def discover_enterprises(api: Api, warehouse: Warehouse, max_lost_share: float = MAX_LOST_SHARE) -> ScopeReport:
    """List the enterprises of every token and land them; new ones get their partition key.

    An enterprise that several tokens list belongs to the first of them. Enterprises of tokens that fail keep their
    scope. All are listed each time, since only that shows which have left; one request for each 1000 of them. A
    listing that lacks more than `max_lost_share` of a token's hotels, or all, takes none out of scope before it has
    lasted for a day.
    """
    found = await _list_with_each(api, api.tokens, lambda token: list_all(api.client, ENTERPRISES, api.tokens[token]))
    listing = _listing(
        api,
        found,
        ENTERPRISES,
        lambda token: {"is_in_scope": True, "token_fingerprint": token},
    )
    answered = [token for token in api.tokens if token not in listing.failures]
    if not answered:
        return listing.report()
    change = await asyncio.to_thread(_land_enterprises, api, warehouse, listing, answered, max_lost_share)
    numbers = {token: number for number, token in enumerate(api.tokens, 1)}
    refused = [loss for loss in change.losses if loss.is_refused]
    notices = [
        *(_accepted(loss, numbers) for loss in change.losses if not loss.is_refused),
        *map(_left_over, change.leftovers),
    ]
    return listing.report([_refused(loss, numbers) for loss in refused], notices)


async def discover_services(
    api: Api, warehouse: Warehouse, unusable: Collection[str] = (), max_lost_share: float = MAX_LOST_SHARE
) -> ScopeReport:
    """List the services of every token's enterprises and land them; services that are no longer listed stay.

    Where all of them take more than one request, only what changed and what new enterprises sell is listed most times.
    `unusable` are fingerprints of tokens that could not list their enterprises: they are not used again.
    """
    now = api.clock.now() if api.clock.reported else None
    known, corrected = await asyncio.to_thread(_read_listings, warehouse, now)
    plans = {token: plan_listing(known.get(token, ()), now) for token in api.tokens if token not in unusable}
    began = api.clock.reported
    found = await _list_with_each(api, plans, lambda token: _list_services(api, token, plans[token]))
    listing = _listing(api, found, SERVICES, lambda _: {})
    listed = [
        each
        for token, answer in found.items()
        if not isinstance(answer, Unanswered)
        for each in _listed(known.get(token, ()), plans[token], trusted(began or answer.server_time))
    ]
    offer = await asyncio.to_thread(_land_services, api, warehouse, listing, listed, max_lost_share)
    numbers = {token: number for number, token in enumerate(api.tokens, 1)}
    problems = [
        _lost_services(loss, numbers[loss.token_fingerprint])
        for loss in offer.losses
        if loss.token_fingerprint in numbers
    ]
    return replace(listing.report(problems, [*corrected, *_changed_services(offer)]), listed=offer.known)


@dataclass(frozen=True, slots=True)
class TokenReach:
    """The names of the enterprises that one token can access, or why listing them failed.

    `unreadable` says, by operation, why the token cannot read an optional endpoint.
    """

    names: tuple[str, ...]
    error: str | None
    unreadable: Mapping[str, str] = field(default_factory=dict)


def choose_endpoints(optional: Collection[str] | None) -> list[Endpoint]:
    """Choose what a refresh reads hotel by hotel: product service orders first, then all but optional ones left out.

    `optional` names the optional endpoints to read; None is all of them.
    """
    others = (each for each in ENDPOINTS if each.keeps_versions and each is not PRODUCT_SERVICE_ORDERS)
    return [
        PRODUCT_SERVICE_ORDERS,
        *(each for each in others if not each.is_optional or optional is None or each.name in optional),
    ]


async def reach_of_tokens(api: Api, optional: Sequence[Endpoint] = ()) -> list[TokenReach]:
    """List the enterprises of each token, in the order of the settings, and try optional endpoints; nothing lands."""
    found = await _list_with_each(api, api.tokens, lambda token: list_all(api.client, ENTERPRISES, api.tokens[token]))
    return [
        TokenReach((), str(answer))
        if isinstance(answer, Unanswered)
        else TokenReach(
            tuple({each: name or each for each, name in zip(*_names(answer), strict=True)}.values()),
            None,
            await _try(api, token, optional),
        )
        for token, answer in found.items()
    ]


async def _try(api: Api, token: str, endpoints: Sequence[Endpoint]) -> dict[str, str]:
    """Ask for one record of each endpoint; return why that was refused, by operation."""
    problems: dict[str, str] = {}
    services: list[str] = []
    for endpoint in (SERVICES, *endpoints) if endpoints else ():
        if endpoint is not SERVICES and not services:
            break
        filters = {"ServiceIds": services} if services else {}
        try:
            request = GetAll(endpoint, filters, Limitation(1))
            async with aclosing(pages(api.client, request, api.tokens[token])) as walk:
                page = await anext(walk)
        except (MewsError, LimiterUnusable) as error:
            problems[endpoint.operation] = str(error)
        else:
            services = services or page.rows["id"][:1]
    return problems


def _names(listing: Listing) -> tuple[list[str], list[str | None]]:
    return listing.rows.get("id", []), listing.rows.get("name", [])


@dataclass(slots=True)
class _Rows:
    """The rows that tokens listed, one for each id, and the tokens whose listing failed.

    `unreadable` maps the ids of listed records that could not be read to the token that listed them.
    """

    rows: list[pd.DataFrame]
    rejects: list[pd.DataFrame]
    failures: dict[str, str]
    unreadable: dict[str, str]

    def report(self, problems: Sequence[str] = (), notices: Sequence[str] = ()) -> ScopeReport:
        """Return the report of the listing, and log what it changed."""
        for line in (*problems, *notices):
            log.warning("%s", line)
        rows, rejects = (sum(map(len, frames)) for frames in (self.rows, self.rejects))
        return ScopeReport(rows, rejects, self.failures, tuple(problems), tuple(notices))


async def _list_with_each(
    api: Api, tokens: Collection[str], list_with: Callable[[str], Awaitable[Listing]]
) -> dict[str, Listing | Unanswered]:
    async def listing(token: str) -> Listing | Unanswered:
        try:
            answer = await list_with(token)
        except (MewsError, LimiterUnusable) as error:
            return error
        api.clock.observe(answer.latest_server_time)
        return answer

    return dict(zip(tokens, await asyncio.gather(*map(listing, tokens)), strict=True))


async def _list_services(api: Api, token: str, plan: ServiceListing) -> Listing:
    secret = api.tokens[token]
    listing = await list_all(api.client, SERVICES, secret, updated_utc=plan.changes)
    if plan.new_enterprises:
        listing.add(await list_all(api.client, SERVICES, secret, enterprise_ids=plan.new_enterprises))
    return listing


def _listed(enterprises: Sequence[ListingRow], plan: ServiceListing, began: datetime) -> list[Listed]:
    """Return how far which enterprises have been listed by a plan that was carried out."""
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


def _listing(api: Api, found: Mapping[str, Listing | Unanswered], endpoint: Endpoint, columns_of: Columns) -> _Rows:
    listing = _Rows([], [], {}, {})
    seen: set[str] = set()
    for token, answer in found.items():
        if isinstance(answer, Unanswered):
            listing.failures[token] = str(answer)
            continue
        listed = records_frame(endpoint, answer.rows, columns_of(token)).drop_duplicates("id", keep="last")
        new = listed[~listed["id"].isin(seen)]
        seen.update(new["id"])
        if len(new):
            listing.rows.append(new)
        if answer.rejects:
            rejects = [_of_its_hotel(reject, endpoint) for reject in answer.rejects]
            listing.rejects.append(rejects_frame(endpoint.operation, rejects, api.clock.now(), {}))
            listing.unreadable = {reject.id: token for reject in answer.rejects if reject.id} | listing.unreadable
    return listing


def _of_its_hotel(reject: Reject, endpoint: Endpoint) -> Reject:
    """Return a rejected record with its hotel: for a record of an enterprise, the record itself."""
    return replace(reject, enterprise_id=reject.id) if endpoint is ENTERPRISES else reject


def _land_enterprises(
    api: Api, warehouse: Warehouse, listing: _Rows, answered: Sequence[str], max_lost_share: float
) -> ScopeChange:
    with warehouse.open() as connection:
        return land_enterprises(
            connection,
            concatenated(listing.rows, empty_frame(ENTERPRISES.table)),
            _rejects(listing),
            unreadable=listing.unreadable,
            answered=answered,
            configured=api.tokens.keys(),
            now=api.clock.now(),
            max_lost_share=max_lost_share,
        )


def _read_listings(warehouse: Warehouse, now: datetime | None) -> tuple[dict[str, list[ListingRow]], list[str]]:
    """Read how far services have been listed, by the fingerprint of the token, and what was corrected before."""
    by_token: dict[str, list[ListingRow]] = {}
    with warehouse.open() as connection:
        corrected = correct_listings(connection, now) if now else []
        for each in read_listings(connection):
            by_token.setdefault(each.token_fingerprint or "", []).append(each)
    return by_token, corrected


def _land_services(
    api: Api, warehouse: Warehouse, listing: _Rows, listed: Sequence[Listed], max_lost_share: float
) -> Offer:
    with warehouse.open() as connection:
        return land_services(
            connection,
            concatenated(listing.rows, empty_frame(SERVICES.table)),
            _rejects(listing),
            listed,
            unreadable=listing.unreadable,
            now=api.clock.now(),
            max_lost_share=max_lost_share,
        )


def _refused(loss: Loss, numbers: Mapping[str, int]) -> str:
    return f"{_lost_hotels(loss, numbers)} ({_named(loss.keys)}), an implausible loss: they stay in scope. {_REMEDY}"


def _accepted(loss: Loss, numbers: Mapping[str, int]) -> str:
    return f"{_lost_hotels(loss, numbers)}, they are out of scope now: {_named(loss.keys)}"


def _lost_hotels(loss: Loss, numbers: Mapping[str, int]) -> str:
    return (
        f"{ENTERPRISES.operation}: access token {numbers[loss.token_fingerprint]} does not list {len(loss.lost):,} "
        f"of the {loss.known:,} hotels that it listed before"
    )


def _left_over(leftover: Leftover) -> str:
    hotels = f"{len(leftover.hotels):,} hotel(s) of an access token that is not in MEWS_ACCESS_TOKENS"
    named = f"(fingerprint {leftover.token_fingerprint[:8] or 'unknown'}): {_named(leftover.keys)}"
    hours = f"{TOKEN_IS_IN_USE_FOR.total_seconds() / 3600:.0f} hours"
    if leftover.is_in_use:
        return (
            f"{hotels} are left to the process that used it last {named}; they go out of scope when it has not been "
            f"used for {hours}"
        )
    return f"{hotels} are out of scope now, since it has not been used for {hours} {named}"


def _lost_services(loss: ServiceLoss, number: int) -> str:
    return (
        f"{SERVICES.operation}: access token {number} does not list {loss.lost:,} of the {loss.known:,} services "
        f"that it listed before, an implausible loss: they are read as before, in "
        f"{_named(loss.partition_keys)}. {_REMEDY}"
    )


def _changed_services(offer: Offer) -> list[str]:
    notices = []
    if offer.returned:
        notices.append(
            f"{SERVICES.operation}: {offer.returned:,} retired service(s) are listed again and are read again"
        )
    if offer.moved:
        notices.append(
            f"{SERVICES.operation}: {offer.moved:,} service(s) belong to another hotel now, with their orders"
        )
    return notices


_REMEDY = (
    "If that is right, run `PSO_SCOPE_MAX_LOST_SHARE=1 pso refresh` once, or leave it: what listings have lacked for "
    f"{UNLISTED_FOR.total_seconds() / 3600:.0f} hours is given up"
)


def _named(keys: Sequence[str]) -> str:
    more = len(keys) - SHOWN_HOTELS
    return ", ".join(keys[:SHOWN_HOTELS]) + (f" and {more:,} more" if more > 0 else "")


def _rejects(listing: _Rows) -> pd.DataFrame:
    return concatenated(listing.rejects, empty_frame(REJECTED_RECORDS))
