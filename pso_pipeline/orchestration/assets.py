"""What exists: the five assets, each one call into the core and what of its outcome is shown.

A run started from an asset (the button, a backfill, `dagster asset materialize`) does what was asked for, for the
partitions that were asked for. What keeps everything fresh is the `refresh` job in `jobs`; it takes the same steps
and reports to the same assets.
"""

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import duckdb
from dagster import (
    AssetExecutionContext,
    AssetMaterialization,
    DagsterInstance,
    DataVersion,
    Failure,
    Field,
    FreshnessPolicy,
    MaterializeResult,
    asset,
)

from pso_pipeline.bi.headlines import hotel_headlines
from pso_pipeline.bi.report.page import keep_report
from pso_pipeline.bi.snapshot import Published, publish
from pso_pipeline.contract.endpoints import ENTERPRISES, PRODUCT_SERVICE_ORDERS, SERVICES
from pso_pipeline.contract.marts import AGG_ORDERS_DAILY, RPT_ORDERS
from pso_pipeline.ingestion.causes import by_cause
from pso_pipeline.ingestion.clock import ServerClock
from pso_pipeline.ingestion.scope import ScopeReport, discover_enterprises, discover_services
from pso_pipeline.ingestion.sync import SyncOptions, SyncReport, sync_orders
from pso_pipeline.mews.tokens import hide_secrets
from pso_pipeline.orchestration.heartbeat import send_heartbeat
from pso_pipeline.orchestration.metadata import (
    Metadata,
    api_definition,
    documentation,
    marts_sql,
    metrics_metadata,
    orders_metadata,
    scope_metadata,
    snapshot_metadata,
    table_definition,
)
from pso_pipeline.orchestration.partitions import (
    ENTERPRISE_PARTITIONS,
    LISTED,
    LISTED_TAGS,
    ONE_RUN,
    READ_OF_LISTED_TAGS,
    add_partitions,
    report_reasons,
)
from pso_pipeline.orchestration.resources import PipelineResource, one_line_failures
from pso_pipeline.settings import Settings
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.accounts import choose_account_ids
from pso_pipeline.warehouse.checks.evaluate import find_held_back
from pso_pipeline.warehouse.marts.derive import create_marts, derive, is_complete
from pso_pipeline.warehouse.reading import (
    Preview,
    read_enterprises,
    read_preview,
    read_previews,
    read_services,
    read_status,
)
from pso_pipeline.warehouse.session import Warehouse

OWNERS = ["team:data-engineering"]

API_POOL = "mews_api"
"""Concurrency pool of what asks the API: `dagster.yaml` limits it, so that two long reads leave room for other runs."""

EACH_REFRESH = FreshnessPolicy.time_window(warn_window=timedelta(hours=2), fail_window=timedelta(hours=3))
"""Reported by every refresh, which comes each hour at the latest."""

EACH_CHANGE = FreshnessPolicy.time_window(warn_window=timedelta(days=1), fail_window=timedelta(days=3))
"""Reported where an order of a hotel changed. Dagster judges the asset by whichever hotel came last, so this tells of a
pipeline that stands still; how fresh each hotel is, the check `hotels_are_fresh` tells."""


FULL_CONFIG = Field(
    bool,
    default_value=False,
    description="Read all history again and mark what the source no longer has, instead of changes.",
)


@asset(
    group_name="mews",
    kinds={"python", "duckdb"},
    owners=OWNERS,
    pool=API_POOL,
    metadata={**table_definition(ENTERPRISES.table), **api_definition(ENTERPRISES.operation)},
    freshness_policy=EACH_REFRESH,
)
def enterprises(context: AssetExecutionContext, pipeline: PipelineResource) -> MaterializeResult[None]:
    """Hotels that the access tokens reach, one row each, with their time zones.

    Listed by `enterprises/getAll` for each token. A new hotel gets its partition here; one that no token sees any
    more stays, marked out of scope. The job `refresh` keeps this and all that follows up to date.
    """
    return _result_or_failure(context, list_enterprises(pipeline, context.instance))


@asset(
    group_name="mews",
    kinds={"python", "duckdb"},
    owners=OWNERS,
    pool=API_POOL,
    metadata={**table_definition(SERVICES.table), **api_definition(SERVICES.operation)},
    freshness_policy=EACH_REFRESH,
    deps=[enterprises],
)
def services(context: AssetExecutionContext, pipeline: PipelineResource) -> MaterializeResult[None]:
    """Services that the hotels sell, such as breakfast, parking or spa, one row each.

    Listed by `services/getAll` for each token. An order names its service alone, so this is what tells its hotel.
    """
    return _result_or_failure(context, list_services(pipeline))


@asset(
    group_name="mews",
    kinds={"python", "duckdb"},
    owners=OWNERS,
    pool=API_POOL,
    metadata={**table_definition(PRODUCT_SERVICE_ORDERS.table), **api_definition(PRODUCT_SERVICE_ORDERS.operation)},
    freshness_policy=EACH_CHANGE,
    deps=[enterprises, services],
    partitions_def=ENTERPRISE_PARTITIONS,
    backfill_policy=ONE_RUN,
    output_required=False,
    config_schema={"full": FULL_CONFIG},
)
def product_service_orders(context: AssetExecutionContext, pipeline: PipelineResource) -> MaterializeResult[None]:
    """Orders of breakfast, parking, spa and other services that guests placed, one row each in its latest version.

    Read by `productServiceOrders/getAll`: all history the first time, then what changed since the watermark of each
    service.
    """
    ids = enterprise_ids_of(pipeline, context.partition_keys)
    report, metadata = sync(pipeline, ids, is_full=context.op_execution_context.op_config["full"])
    if not report.failed:
        for key, shown in metadata.items():
            context.add_asset_metadata(shown, partition_key=key)
        return MaterializeResult()
    for key, shown in metadata.items():
        context.log_event(
            AssetMaterialization(context.asset_key, partition=key, metadata=shown, tags=READ_OF_LISTED_TAGS)
        )
    reasons = {each.partition_key: str(each.error) for each in report.failed}
    report_reasons(context.op_execution_context, context.asset_key, reasons)
    raise Failure(description=describe_failures(report), allow_retries=False)


@asset(
    group_name="metrics",
    kinds={"duckdb", "sql"},
    owners=OWNERS,
    metadata={**table_definition(AGG_ORDERS_DAILY), **documentation(), **marts_sql()},
    freshness_policy=EACH_CHANGE,
    deps=[product_service_orders],
    partitions_def=ENTERPRISE_PARTITIONS,
    backfill_policy=ONE_RUN,
)
def check_in_cancellation_metrics(
    context: AssetExecutionContext, pipeline: PipelineResource
) -> MaterializeResult[None]:
    """How many orders were created, checked in and canceled, by hotel, service, origin and day in the hotel's own time.

    Derived from the landed orders as they were at the hotel's watermark: the marts of schema `mart`.
    """
    ids = enterprise_ids_of(pipeline, context.partition_keys)
    for key, shown in derive_metrics(pipeline, ids).items():
        context.add_asset_metadata(shown, partition_key=key)
    return MaterializeResult()


@asset(
    group_name="bi",
    kinds={"duckdb", "parquet"},
    owners=OWNERS,
    metadata={**table_definition(RPT_ORDERS), **documentation()},
    deps=[check_in_cancellation_metrics],
    freshness_policy=EACH_REFRESH,
)
def bi_snapshot(context: AssetExecutionContext, pipeline: PipelineResource) -> MaterializeResult[None]:
    """The numbers that dashboards read, published all at once.

    A DuckDB file, Parquet files and a manifest in `PSO_BI_DIR`. Readers see the old state or the new, never a part.
    Beside them lies `report.html`, which shows the same numbers in any browser.
    """
    published, shown = publish_snapshot(pipeline)
    if published.held_back:
        context.log_event(AssetMaterialization(context.asset_key, metadata=shown))
        raise Failure(description="\n".join(map(for_terminal, published.held_back)), allow_retries=False)
    return MaterializeResult(metadata=shown)


@dataclass(frozen=True, slots=True)
class Listing:
    """What listing came to, whether no token at all could be asked, and what to show of the table."""

    report: ScopeReport
    is_none: bool
    shown: Metadata


def list_enterprises(
    pipeline: PipelineResource, instance: DagsterInstance, clock: ServerClock | None = None
) -> Listing:
    """List and land the enterprises of every token and give new ones their partition.

    `clock`, here and below, carries what the server told about its time from one step to the next.
    """
    with one_line_failures():
        warehouse, max_lost_share = pipeline.warehouse(), pipeline.settings().pso_scope_max_lost_share
        report = pipeline.with_api(lambda api: discover_enterprises(api, warehouse, max_lost_share), clock=clock)
        with warehouse.open() as connection:
            rows = read_preview(connection, "enterprises")
            keys = [enterprise.partition_key for enterprise in read_enterprises(connection)]
    add_partitions(instance, keys)
    return _listing(pipeline, report, len(keys), rows)


def list_services(
    pipeline: PipelineResource, clock: ServerClock | None = None, unusable: Mapping[str, str] | None = None
) -> Listing:
    """List and land the services of every token's enterprises, but those of tokens that have failed already.

    `unusable` says why these did, by fingerprint.
    """
    unusable = unusable or {}
    with one_line_failures():
        warehouse, max_lost_share = pipeline.warehouse(), pipeline.settings().pso_scope_max_lost_share
        report = pipeline.with_api(lambda api: discover_services(api, warehouse, unusable, max_lost_share), clock=clock)
        with warehouse.open() as connection:
            rows = read_preview(connection, "services")
            known = len(read_services(connection))
    return _listing(pipeline, replace(report, failures={**unusable, **report.failures}), known, rows)


def _listing(pipeline: PipelineResource, report: ScopeReport, known: int, rows: Preview) -> Listing:
    is_none = len(report.failures) >= len(pipeline.settings().mews_access_tokens)
    return Listing(report, is_none, scope_metadata(report, known, rows))


def sync(
    pipeline: PipelineResource,
    enterprise_ids: Collection[str] | None,
    *,
    is_full: bool = False,
    look_back: timedelta = timedelta(),
    token_failures: Mapping[str, str] | None = None,
    clock: ServerClock | None = None,
) -> tuple[SyncReport, dict[str, Metadata]]:
    """Read and land orders; return the outcome and what to show for each partition that was read to the end.

    `look_back` reads so much of what was read before again, where that is more than the overlap of every refresh.
    """
    with one_line_failures():
        settings, warehouse = pipeline.settings(), pipeline.warehouse()
        options = SyncOptions(
            enterprise_ids=enterprise_ids,
            is_full=is_full,
            overlap=max(look_back, timedelta(minutes=settings.pso_overlap_minutes)),
            max_missing_share=settings.pso_resync_max_missing_share,
            token_failures=token_failures or {},
        )
        report = pipeline.with_api(lambda api: sync_orders(api, warehouse, options), clock=clock)
        changed = [each.enterprise_id for each in report.enterprises if each.created or each.changed]
        with warehouse.open() as connection:
            status = {each.enterprise_id: each for each in read_status(connection)}
            previews = read_previews(connection, "product_service_orders", changed)
    now = datetime.now(UTC)
    return report, {
        outcome.partition_key: orders_metadata(
            outcome, status.get(outcome.enterprise_id), previews.get(outcome.enterprise_id), now
        )
        for outcome in report.enterprises
        if outcome.error is None
    }


def derive_metrics(pipeline: PipelineResource, enterprise_ids: Collection[str] | None) -> dict[str, Metadata]:
    """Derive the marts, of all stale enterprises or of these; return what to show for each partition that changed."""
    with one_line_failures():
        settings, warehouse = pipeline.settings(), pipeline.warehouse()
        with warehouse.open() as connection:
            _prepare_marts(warehouse, settings, connection)
            derived = derive(
                connection,
                enterprise_ids,
                all_companions_environments=settings.pso_all_companions_environments,
            )
            previews = read_previews(connection, "agg_orders_daily", derived.enterprises_recomputed)
            key_of = {each.enterprise_id: each.partition_key for each in read_enterprises(connection)}
    return {
        key_of[enterprise]: metrics_metadata(headline, previews.get(enterprise))
        for enterprise, headline in derived.headlines.items()
        if enterprise in derived.enterprises_recomputed
    }


def publish_snapshot(pipeline: PipelineResource, refreshed: SyncReport | None = None) -> tuple[Published, Metadata]:
    """Publish the BI snapshot and write its report; return what to show of them, and of the refresh before.

    Hotels that a check holds back keep the figures that were published before.
    """
    with one_line_failures():
        settings, warehouse = pipeline.settings(), pipeline.warehouse()
        bi_dir = settings.pso_bi_dir
        published = publish(
            warehouse.marts_path,
            bi_dir,
            marts_lock=warehouse.hold(),
            find_held_back=functools.partial(_find_held_back, pipeline),
        )
        report = keep_report(bi_dir)
        hotels = hotel_headlines(bi_dir)
        send_heartbeat(pipeline.settings())
    return published, snapshot_metadata(published, report, hotels, refreshed)


def _prepare_marts(warehouse: Warehouse, settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
    """Make the marts where they are missing or hold account ids in another way than the settings say."""
    if choose_account_ids(connection, is_plain=settings.pso_keep_personal_data == "plain"):
        warehouse.discard_marts(connection)
    create_marts(connection)


def _find_held_back(pipeline: PipelineResource) -> dict[str, str]:
    """Find the hotels that a check holds back; marts that are not complete are completed before."""
    settings, warehouse = pipeline.settings(), pipeline.warehouse()
    with warehouse.open_held() as connection:
        _prepare_marts(warehouse, settings, connection)
        if not is_complete(connection):
            environments = settings.pso_all_companions_environments
            derive(connection, all_companions_environments=environments)
        return find_held_back(connection)


def enterprise_ids_of(pipeline: PipelineResource, keys: Collection[str]) -> list[str]:
    """Look up the enterprises of partition keys.

    Raises:
        Failure: A key is not known to the warehouse.
    """
    with one_line_failures(), pipeline.warehouse().open() as connection:
        known = {each.partition_key: each.enterprise_id for each in read_enterprises(connection)}
    if unknown := sorted(set(keys) - set(known)):
        raise Failure(
            description=hide_secrets(
                f"the warehouse knows no enterprise {', '.join(unknown)}: materialize `enterprises` first"
            ),
            allow_retries=False,
        )
    return [known[key] for key in keys]


def describe_failures(report: SyncReport) -> str:
    """Name the enterprises that failed, a line for each cause."""
    reasons = ((each.partition_key, str(each.error)) for each in report.failed)
    return "\n".join(for_terminal(group.describe()) for group in by_cause(reasons))


def describe_token_failures(failures: Mapping[str, str]) -> list[str]:
    """Say why tokens could not be asked, a line for each cause."""
    groups = by_cause(failures.items())
    return [
        for_terminal(f"{len(each.names)} access tokens: {each.reason}" if len(each.names) > 1 else each.reason)
        for each in groups
    ]


def describe_listing(report: ScopeReport) -> list[str]:
    """Say what went wrong in a listing, a line for each cause; nothing where nothing did."""
    return [*describe_token_failures(report.failures), *map(for_terminal, report.problems)]


def _result_or_failure(context: AssetExecutionContext, listing: Listing) -> MaterializeResult[None]:
    reasons = describe_listing(listing.report)
    if not reasons:
        return MaterializeResult(metadata=listing.shown, data_version=DataVersion(LISTED))
    if not listing.is_none:
        context.log_event(AssetMaterialization(context.asset_key, metadata=listing.shown, tags=LISTED_TAGS))
    raise Failure(description="\n".join(reasons), allow_retries=False)
