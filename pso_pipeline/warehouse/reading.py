"""Reading the warehouse for those who decide and those who show: the scope, how far each service has come, counts.

Each function takes an open connection and returns plain values. Statements that change something stay in `landing/`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import duckdb

from pso_pipeline.contract.endpoints import ENDPOINTS, Endpoint
from pso_pipeline.warehouse.sql import fill, first_row, statement


@dataclass(frozen=True, slots=True)
class EnterpriseRow:
    """One enterprise as the warehouse knows it; `token_fingerprint` is that of the access token that saw it last."""

    enterprise_id: str
    partition_key: str
    name: str | None
    token_fingerprint: str | None
    is_in_scope: bool
    language: str | None = None


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """One scope of an endpoint, a service or an enterprise, with how far it has been read; times are aware and UTC.

    A scope that is not `is_in_use` is not read: a bookable or a retired service has no orders to read.
    `unlisted_since_utc` says since when whole listings lack it, `is_hotel_unlisted` that the last listing lacked its
    hotel; `resync_started_utc` is when the full resync began that has read it and not yet all others of its hotel.
    """

    scope_id: str
    enterprise_id: str
    is_in_use: bool
    watermark_utc: datetime | None
    full_read_started_utc: datetime | None
    full_read_cursor: str | None
    full_read_records: int
    last_success_utc: datetime | None
    last_error: str | None
    unlisted_since_utc: datetime | None = None
    is_hotel_unlisted: bool = False
    resync_started_utc: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListingRow:
    """How far the services of one enterprise in scope have been listed through its token; times are aware and UTC.

    Both times are null where they never were.
    """

    enterprise_id: str
    token_fingerprint: str | None
    services: int
    listed_utc: datetime | None
    watermark_utc: datetime | None


@dataclass(frozen=True, slots=True)
class EnterpriseStatus:
    """What a person wants to know of one enterprise: how fresh, how many, what is wrong; times are aware and UTC.

    `services` counts those that orders can be made against and that are in use. `watermark_utc` is that of the one
    that is furthest behind; null before every one was read once. `services_listed_utc` is null where the services of
    the enterprise were never listed.
    """

    enterprise_id: str
    partition_key: str
    name: str | None
    is_in_scope: bool
    services: int
    orders: int
    rejected: int
    watermark_utc: datetime | None
    last_success_utc: datetime | None
    last_error: str | None
    retired_services: int = 0
    services_listed_utc: datetime | None = None


@dataclass(frozen=True, slots=True)
class RetiredService:
    """A service that the API no longer knows: it is not read, and its orders remain; the time is aware and UTC."""

    service_id: str
    partition_key: str
    name: str | None
    retired_utc: datetime


@dataclass(frozen=True, slots=True)
class RejectCount:
    """How many records of one operation were rejected, and when the last new one was; the time is aware and UTC."""

    operation: str
    records: int
    latest_utc: datetime


@dataclass(frozen=True, slots=True)
class EnterpriseHealth:
    """One enterprise in scope and why it could not be read last time, None where it could."""

    enterprise_id: str
    partition_key: str
    name: str | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """Some rows of a table, without ids of persons."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def read_enterprises(connection: duckdb.DuckDBPyConnection) -> list[EnterpriseRow]:
    """List the enterprises, by partition key."""
    return [EnterpriseRow(*row) for row in connection.execute(statement("queries/enterprises.sql")).fetchall()]


def read_scopes(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> list[ScopeRow]:
    """List the scopes of an endpoint with their progress, by enterprise."""
    rows = connection.execute(statement(f"queries/{endpoint.scope}_scopes.sql"), {"endpoint": endpoint.name})
    return [ScopeRow(*map(_aware, row)) for row in rows.fetchall()]


def read_listed_services(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """List, for each enterprise, the ids of the services that listings have, of every kind."""
    services: dict[str, list[str]] = {}
    for enterprise, service in connection.execute(statement("queries/listed_services.sql")).fetchall():
        services.setdefault(enterprise, []).append(service)
    return services


def read_troubles(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """List what could not be read last time of optional endpoints: endpoint, partition key, and the reason.

    One row for each hotel in scope and endpoint.
    """
    optional = [endpoint.name for endpoint in ENDPOINTS if endpoint.is_optional]
    return connection.execute(statement("queries/troubles.sql"), {"endpoints": optional}).fetchall()


def read_listings(connection: duckdb.DuckDBPyConnection) -> list[ListingRow]:
    """List the enterprises in scope with how far their services have been listed."""
    rows = connection.execute(statement("queries/service_listings.sql")).fetchall()
    return [ListingRow(*map(_aware, row)) for row in rows]


def read_token_uses(connection: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """Read when each access token listed its enterprises last, by fingerprint, aware and UTC."""
    rows = connection.execute("SELECT token_fingerprint, listed_utc FROM mews.access_tokens").fetchall()
    return {token: _aware(used) for token, used in rows}


def read_latest_fetch(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> datetime | None:
    """Return when a record of an endpoint was read last, aware and UTC; None where none was."""
    table = endpoint.table.qualified_name
    row = first_row(connection, f"SELECT max(fetched_utc) FROM {table}")  # noqa: S608  # a name of the contract
    return _aware(row[0]) if row and row[0] else None


def read_status(connection: duckdb.DuckDBPyConnection) -> list[EnterpriseStatus]:
    """Return the state of each enterprise, by partition key."""
    return [
        EnterpriseStatus(*map(_aware, row)) for row in connection.execute(statement("queries/status.sql")).fetchall()
    ]


def read_health(connection: duckdb.DuckDBPyConnection) -> list[EnterpriseHealth]:
    """Return whether each enterprise in scope could be read last time, by partition key."""
    return [EnterpriseHealth(*row) for row in connection.execute(statement("queries/health.sql")).fetchall()]


def read_retired_services(connection: duckdb.DuckDBPyConnection) -> list[RetiredService]:
    """List the retired services of enterprises in scope, by partition key."""
    rows = connection.execute(statement("queries/retired_services.sql")).fetchall()
    return [RetiredService(*map(_aware, row)) for row in rows]


def read_hotels_without_services(connection: duckdb.DuckDBPyConnection) -> list[EnterpriseStatus]:
    """List the enterprises in scope whose services were listed and that have none in use, by partition key."""
    return [each for each in read_status(connection) if each.is_in_scope and _has_no_services(each)]


def read_rejects(connection: duckdb.DuckDBPyConnection) -> list[RejectCount]:
    """Count the rejected records that the warehouse keeps, by operation of the API."""
    rows = connection.execute(statement("queries/rejects.sql")).fetchall()
    return [RejectCount(*map(_aware, row)) for row in rows]


def state_of(status: EnterpriseStatus, now: datetime, stale_after: timedelta) -> str:
    """Name the state of an enterprise.

    One of `fresh`, `stale`, `failing`, `never read`, `no services listed` (the API lists no service of it that orders
    can be made against) and `out of scope`.
    """
    if not status.is_in_scope:
        return "out of scope"
    if status.last_error:
        return "failing"
    if _has_no_services(status):
        return "no services listed"
    if status.watermark_utc is None:
        return "never read"
    return "stale" if now - status.watermark_utc > stale_after else "fresh"


def reason_of(status: EnterpriseStatus) -> str | None:
    """Say why an enterprise is not up to date: its last error, or that it has no services; None where neither is so."""
    if status.last_error or not (status.is_in_scope and _has_no_services(status)):
        return status.last_error
    retired = f"; {status.retired_services:,} are retired" if status.retired_services else ""
    return f"services/getAll lists no service of it that orders can be made against{retired}"


def _has_no_services(status: EnterpriseStatus) -> bool:
    return status.services == 0 and status.services_listed_utc is not None


def read_preview(connection: duckdb.DuckDBPyConnection, table: str) -> Preview:
    """Show a few rows of a table: `enterprises` or `services`."""
    rows = connection.execute(statement(f"queries/preview_{table}.sql"))
    return Preview(tuple(column[0] for column in rows.description or ()), rows.fetchall())


def read_previews(
    connection: duckdb.DuckDBPyConnection, table: str, enterprise_ids: Collection[str]
) -> dict[str, Preview]:
    """Show a few rows of each of these enterprises, by its id: of `product_service_orders` or `agg_orders_daily`."""
    return _previews(connection, statement(f"queries/preview_{table}.sql"), enterprise_ids)


def read_record_previews(
    connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, enterprise_ids: Collection[str]
) -> dict[str, Preview]:
    """Show the latest records of an endpoint for each of these enterprises, by its id."""
    shown = [each.name for each in endpoint.fields if not (each.is_personal or each.is_id or each.type == "JSON")]
    names = {"table": endpoint.table.qualified_name, "shown": ", ".join(f"records.{name}" for name in shown)}
    return _previews(connection, fill(statement("queries/preview_records.sql"), names), enterprise_ids)


def count_records(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> dict[str, int]:
    """Count the present records of an endpoint, by enterprise."""
    query = (
        f"SELECT enterprise_id, count(*) FROM {endpoint.table.qualified_name}"  # noqa: S608  # a name of the contract
        " WHERE NOT is_missing_from_source GROUP BY enterprise_id"
    )
    return dict(connection.execute(query).fetchall())


def _previews(connection: duckdb.DuckDBPyConnection, query: str, enterprise_ids: Collection[str]) -> dict[str, Preview]:
    rows = connection.execute(query, {"enterprise_ids": list(enterprise_ids)}).fetchall()
    columns = tuple(column[0] for column in connection.description or ())[1:]
    return {
        enterprise: Preview(columns, [row[1:] for row in own]) for enterprise, own in groupby(rows, key=itemgetter(0))
    }


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
