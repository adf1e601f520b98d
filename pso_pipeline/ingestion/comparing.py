"""Comparing with the source: whether the orders that some hotels have there have landed.

The API counts nothing, so orders are read to be counted: one page of those that changed last, a request or two for each
hotel. Nothing lands. Which hotels are compared, and when, is decided by the caller.
"""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS
from pso_pipeline.ingestion.api import Api
from pso_pipeline.ingestion.plan import chunks
from pso_pipeline.mews.errors import MewsError
from pso_pipeline.mews.pagination import pages
from pso_pipeline.mews.requests import GetAll, Interval
from pso_pipeline.mews.tokens import Token
from pso_pipeline.warehouse.checks.readings import Counts, Window, compare, comparison_windows
from pso_pipeline.warehouse.reading import EnterpriseRow, read_enterprises, read_scopes
from pso_pipeline.warehouse.session import Warehouse

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Orders of one hotel in a window, at the source and in the warehouse."""

    partition_key: str
    window: Window
    counts: Counts


async def compare_with_source(
    api: Api, warehouse: Warehouse, enterprise_ids: Collection[str], overlap: timedelta
) -> list[Comparison]:
    """Compare the latest orders of some hotels with the source.

    Hotels that are out of scope, were not read to the end, or cannot be read now are left out; `overlap` is how long
    the source may take to show a change.
    """
    hotels, windows, services = await asyncio.to_thread(_prepare, warehouse, enterprise_ids, overlap)
    comparisons = []
    for window in windows:
        hotel = hotels[window.enterprise_id]
        token = api.tokens.get(hotel.token_fingerprint or "")
        if token is None or not hotel.is_in_scope:
            continue
        try:
            found = await _read(api, token, services.get(window.enterprise_id, []), window)
        except MewsError as error:
            log.warning("%s was not compared with the source: %s", hotel.partition_key, error)
            continue
        counts = await asyncio.to_thread(_compare, warehouse, window, found)
        comparisons.append(Comparison(hotel.partition_key, window, counts))
    return comparisons


async def _read(api: Api, token: Token, service_ids: list[str], window: Window) -> list[tuple[str, datetime]]:
    """Read ids and update times of what changed in the window; an order that moves while pages are read counts once."""
    found: dict[str, datetime] = {}
    for ids in chunks(service_ids):
        interval = Interval(window.start_utc, window.end_utc)
        request = GetAll(PRODUCT_SERVICE_ORDERS, {"ServiceIds": ids, "UpdatedUtc": interval})
        async for page in pages(api.client, request, token):
            found |= dict(zip(page.rows["id"], page.rows["updated_utc"], strict=True))
    return [(identifier, updated) for identifier, updated in found.items() if updated <= window.end_utc]


def _prepare(
    warehouse: Warehouse, enterprise_ids: Collection[str], overlap: timedelta
) -> tuple[dict[str, EnterpriseRow], list[Window], dict[str, list[str]]]:
    with warehouse.open() as connection:
        hotels = {each.enterprise_id: each for each in read_enterprises(connection)}
        windows = comparison_windows(connection, enterprise_ids, overlap)
        services: dict[str, list[str]] = {}
        for service in read_scopes(connection, PRODUCT_SERVICE_ORDERS):
            if service.is_in_use and service.enterprise_id in enterprise_ids:
                services.setdefault(service.enterprise_id, []).append(service.scope_id)
    return hotels, windows, services


def _compare(warehouse: Warehouse, window: Window, found: list[tuple[str, datetime]]) -> Counts:
    with warehouse.open() as connection:
        return compare(connection, window, found)
