"""The steps of a refresh: list the hotels and services, sync records, compute metrics, publish.

Each step calls the core and returns its outcome with the metadata that Dagster shows. Assets, jobs and sensors are thin
shells over these functions. Add a step here when a refresh does something more; what a step does is in `ingestion`,
`warehouse` and `bi`, and which events Dagster gets is in `assets` and `jobs`.
"""

import functools
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import duckdb
from dagster import DagsterInstance, Failure, Field

from pso_pipeline.bi.headlines import hotel_headlines
from pso_pipeline.bi.report.page import keep_report
from pso_pipeline.bi.snapshot import Published, publish
from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS, Endpoint
from pso_pipeline.ingestion.activity import current_activity
from pso_pipeline.ingestion.answering import observe_time
from pso_pipeline.ingestion.causes import by_cause
from pso_pipeline.ingestion.clock import ServerClock
from pso_pipeline.ingestion.scope import ScopeReport, choose_endpoints, discover_enterprises, discover_services
from pso_pipeline.ingestion.sync import SyncOptions, SyncReport, sync_records
from pso_pipeline.mews.retry import BRIEF, OPTIONAL
from pso_pipeline.mews.tokens import Token, hide_secrets
from pso_pipeline.orchestration.heartbeat import send_heartbeat
from pso_pipeline.orchestration.metadata import (
    Metadata,
    metrics_metadata,
    records_metadata,
    scope_metadata,
    snapshot_metadata,
)
from pso_pipeline.orchestration.partitions import add_partitions
from pso_pipeline.orchestration.resources import PipelineResource, one_line_failures
from pso_pipeline.settings import Settings
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.accounts import choose_account_ids
from pso_pipeline.warehouse.checks.evaluate import find_held_back
from pso_pipeline.warehouse.marts.derive import ALL_HOTELS, HotelRange, create_marts, derive, is_complete
from pso_pipeline.warehouse.operations import Noted, copy_refreshes, note_refresh
from pso_pipeline.warehouse.reading import (
    Preview,
    count_records,
    read_enterprises,
    read_preview,
    read_previews,
    read_record_previews,
    read_scopes,
    read_status,
)
from pso_pipeline.warehouse.schema_changes import copy_schema_changes, observe_schema
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline.warehouse.writing import Part

FULL_CONFIG = Field(
    bool,
    default_value=False,
    description="Read all history again and mark orders that the source no longer has, instead of reading changes.",
)


@dataclass(frozen=True, slots=True)
class Listing:
    """The outcome of listing hotels or services, with the metadata that Dagster shows of the table.

    `has_failed` is true where the API refused or failed for every token.
    """

    report: ScopeReport
    has_failed: bool
    metadata: Metadata


def list_enterprises(
    pipeline: PipelineResource, instance: DagsterInstance, clock: ServerClock | None = None
) -> Listing:
    """List and land the hotels that each token can access, and add a partition for each new one.

    `clock`, here and below, carries the server's time from one step to the next.
    """
    current_activity().begin("listing the hotels")
    with one_line_failures():
        warehouse, max_lost_share = pipeline.warehouse(), pipeline.settings().pso_scope_max_lost_share
        report = pipeline.with_api(lambda api: discover_enterprises(api, warehouse, max_lost_share), clock=clock)
        with warehouse.open() as connection:
            rows = read_preview(connection, "enterprises")
            keys = [enterprise.partition_key for enterprise in read_enterprises(connection)]
    add_partitions(instance, keys)
    return _listing(pipeline, report, len(keys), rows)


def list_services(
    pipeline: PipelineResource, clock: ServerClock | None = None, failed_tokens: Mapping[str, str] | None = None
) -> Listing:
    """List and land the services of the hotels that each token can access.

    `failed_tokens` are not used again; it gives the reason of each, by the token's fingerprint.
    """
    current_activity().begin("listing the services")
    failed = failed_tokens or {}
    with one_line_failures():
        warehouse, max_lost_share = pipeline.warehouse(), pipeline.settings().pso_scope_max_lost_share
        report = pipeline.with_api(lambda api: discover_services(api, warehouse, failed, max_lost_share), clock=clock)
        with warehouse.open() as connection:
            rows = read_preview(connection, "services")
            known = len(read_scopes(connection, PRODUCT_SERVICE_ORDERS))
    return _listing(pipeline, replace(report, failures={**failed, **report.failures}), known, rows)


def sync(
    pipeline: PipelineResource,
    enterprise_ids: Collection[str] | None,
    *,
    endpoint: Endpoint = PRODUCT_SERVICE_ORDERS,
    is_full: bool = False,
    look_back: timedelta = timedelta(),
    token_failures: Mapping[str, str] | None = None,
    clock: ServerClock | None = None,
    is_alone: bool = False,
) -> tuple[SyncReport, dict[str, Metadata]]:
    """Read and land the records of an endpoint for these hotels, or for all in scope.

    Returns the outcome, and the metadata of each partition that was read to its end. `look_back` replaces the overlap
    of every refresh where it is longer. `is_alone` as in `SyncOptions`.
    """
    current_activity().begin(f"reading {endpoint.name.replace('_', ' ')}")
    with one_line_failures():
        settings, warehouse = pipeline.settings(), pipeline.warehouse()
        options = SyncOptions(
            enterprise_ids=enterprise_ids,
            is_full=is_full,
            overlap=max(look_back, timedelta(minutes=settings.pso_overlap_minutes)),
            max_missing_share=settings.pso_resync_max_missing_share,
            token_failures=token_failures or {},
            endpoint=endpoint,
            is_alone=is_alone,
            kept_kinds=settings.pso_order_item_types,
        )
        # nothing waits long for what is optional: the next refresh reads it
        policy = OPTIONAL if endpoint.is_optional else None
        report = pipeline.with_api(lambda api: sync_records(api, warehouse, options), policy, clock)
        changed = [each.enterprise_id for each in report.enterprises if each.created or each.changed]
        with warehouse.open() as connection:
            counts_orders = endpoint is PRODUCT_SERVICE_ORDERS
            status = {each.enterprise_id: each for each in read_status(connection)} if counts_orders else {}
            counts = {} if counts_orders else count_records(connection, endpoint)
            previews = (
                read_previews(connection, endpoint.name, changed)
                if counts_orders
                else read_record_previews(connection, endpoint, changed)
            )
    now = datetime.now(UTC)
    return report, {
        outcome.partition_key: records_metadata(
            endpoint,
            outcome,
            status.get(outcome.enterprise_id),
            previews.get(outcome.enterprise_id),
            now,
            row_count=counts.get(outcome.enterprise_id, 0),
        )
        for outcome in report.enterprises
        if outcome.error is None
    }


def endpoints_to_read(pipeline: PipelineResource) -> list[Endpoint]:
    """List the endpoints that a refresh reads hotel by hotel: product service orders, then those of `PSO_ENDPOINTS`."""
    with one_line_failures():
        return choose_endpoints(pipeline.settings().pso_endpoints)


def compute_metrics(
    pipeline: PipelineResource, enterprise_ids: Collection[str] | None, hotels: HotelRange = ALL_HOTELS
) -> dict[str, Metadata]:
    """Compute the marts of these hotels, or of all in the range `hotels` that changed.

    Returns the metadata of each partition whose figures were computed.
    """
    current_activity().begin("computing the metrics")
    with one_line_failures():
        settings, warehouse = pipeline.settings(), pipeline.warehouse()
        with warehouse.open() as connection:
            _prepare_marts(warehouse, settings, connection)
            derived = derive(
                connection,
                enterprise_ids,
                all_companions_environments=settings.pso_all_companions_environments,
                hotels=hotels,
            )
            previews = read_previews(connection, "agg_orders_daily", derived.enterprises_recomputed)
            key_of = {each.enterprise_id: each.partition_key for each in read_enterprises(connection)}
    return {
        key_of[enterprise]: metrics_metadata(headline, previews.get(enterprise))
        for enterprise, headline in derived.headlines.items()
        if enterprise in derived.enterprises_recomputed
    }


def note(pipeline: PipelineResource, noted: Noted) -> None:
    """Note in the warehouse what a run of a refresh did."""
    with one_line_failures(), pipeline.warehouse().open() as connection:
        note_refresh(connection, noted)


def publish_snapshot(pipeline: PipelineResource, refreshed: SyncReport | None = None) -> tuple[Published, Metadata]:
    """Publish the BI snapshot and its report; a hotel that a check holds back keeps its last published figures.

    Returns the outcome, and the metadata of the asset with the figures of the sync `refreshed`.
    """
    current_activity().begin("publishing")
    with one_line_failures():
        settings, warehouse = pipeline.settings(), pipeline.warehouse()
        bi_dir = settings.pso_bi_dir
        published = publish(
            warehouse if warehouse.lake else warehouse.marts_path,
            bi_dir,
            marts_lock=warehouse.hold(Part.MARTS),
            find_held_back=functools.partial(_find_held_back, pipeline),
        )
        report = keep_report(bi_dir)
        hotels = hotel_headlines(bi_dir)
        send_heartbeat(pipeline.settings())
    return published, snapshot_metadata(published, report, hotels, refreshed)


def enterprise_ids_of(pipeline: PipelineResource, keys: Collection[str]) -> list[str]:
    """Return the ids of the hotels with these partition keys.

    Raises:
        Failure: The warehouse has no hotel with one of the keys.
    """
    with one_line_failures(), pipeline.warehouse().open() as connection:
        known = {each.partition_key: each.enterprise_id for each in read_enterprises(connection)}
    if unknown := sorted(set(keys) - set(known)):
        raise Failure(
            description=hide_secrets(
                f"the warehouse has no enterprise {', '.join(unknown)}: materialize `enterprises` first"
            ),
            allow_retries=False,
        )
    return [known[key] for key in keys]


def own_tokens(settings: Settings) -> list[str]:
    """Return the fingerprints of the access tokens that this machine has."""
    return [Token(secret.get_secret_value()).fingerprint for secret in settings.mews_access_tokens]


def hotels_of_token(pipeline: PipelineResource, fingerprint: str, keys: Collection[str]) -> list[str]:
    """Return the ids of the hotels in scope that are read with an access token, or of those with these keys.

    Raises:
        Failure: This machine does not have the token.
    """
    with one_line_failures():
        tokens = own_tokens(pipeline.settings())
        with pipeline.warehouse().open() as connection:
            enterprises = read_enterprises(connection)
    if fingerprint not in tokens:
        raise Failure(
            description=(
                f"MEWS_ACCESS_TOKENS on {socket.gethostname()} has no token with the fingerprint {fingerprint}: "
                "give every machine that executes runs the same tokens"
            ),
            allow_retries=False,
        )
    return [
        each.enterprise_id
        for each in enterprises
        if each.is_in_scope and each.token_fingerprint == fingerprint and (not keys or each.partition_key in keys)
    ]


def ask_time(pipeline: PipelineResource, fingerprint: str) -> ServerClock:
    """Send one small request with an access token, and return the server's clock."""
    clock = ServerClock()
    with one_line_failures():
        pipeline.with_api(lambda api: observe_time(api, fingerprint), BRIEF, clock)
    return clock


def describe_failures(report: SyncReport) -> str:
    """Describe the hotels that failed, one line for each cause."""
    reasons = ((each.partition_key, str(each.error)) for each in report.failed)
    return "\n".join(for_terminal(group.describe()) for group in by_cause(reasons))


def describe_token_failures(failures: Mapping[str, str]) -> list[str]:
    """Describe the tokens that failed, one line for each cause; `failures` has the reasons by fingerprint."""
    groups = by_cause(failures.items())
    return [
        for_terminal(f"{len(each.names)} access tokens: {each.reason}" if len(each.names) > 1 else each.reason)
        for each in groups
    ]


def describe_listing(report: ScopeReport) -> list[str]:
    """Describe what failed in a listing, one line for each cause; empty where nothing failed."""
    return [*describe_token_failures(report.failures), *map(for_terminal, report.problems)]


def _listing(pipeline: PipelineResource, report: ScopeReport, known: int, rows: Preview) -> Listing:
    has_failed = len(report.failures) >= len(pipeline.settings().mews_access_tokens)
    return Listing(report, has_failed, scope_metadata(report, known, rows))


def _prepare_marts(warehouse: Warehouse, settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
    """Create the marts if they are missing, and again if the setting of how they hold account ids has changed."""
    if choose_account_ids(connection, is_plain=settings.pso_keep_personal_data == "plain"):
        warehouse.discard_marts(connection)
    create_marts(connection)


def _find_held_back(pipeline: PipelineResource) -> dict[str, str]:
    """Return the hotels that a check holds back, by id, with the reason.

    Before that incomplete marts are completed, and what refreshes did and the API sent is copied into them.
    """
    settings, warehouse = pipeline.settings(), pipeline.warehouse()
    with warehouse.open_held() as connection:
        _prepare_marts(warehouse, settings, connection)
        if not is_complete(connection):
            derive(connection, all_companions_environments=settings.pso_all_companions_environments)
        observe_schema(connection, datetime.now(UTC))
        copy_refreshes(connection)
        copy_schema_changes(connection)
        return find_held_back(connection)
