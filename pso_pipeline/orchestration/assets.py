"""The assets: what each table is, how fresh it should be, and what a run of the asset alone does.

A run that starts from an asset (the button in the web UI, a backfill, `dagster asset materialize`) takes one step for
the partitions that were selected. The jobs `refresh` and `full_resync` take the same steps (`steps`) one after the
other. Add an asset here, with its key in `asset_keys`; what a step does stays in `steps`.
"""

from datetime import timedelta

from dagster import (
    AssetExecutionContext,
    AssetMaterialization,
    AssetsDefinition,
    DataVersion,
    Failure,
    FreshnessPolicy,
    MaterializeResult,
    asset,
)

from pso_pipeline.contract.endpoints import ENDPOINTS, ENTERPRISES, PRODUCT_SERVICE_ORDERS, SERVICES, Endpoint
from pso_pipeline.contract.marts import AGG_ORDERS_DAILY, RPT_ORDERS
from pso_pipeline.orchestration.dagster_internals import LISTED, LISTED_TAGS, READ_WITH_LISTED_TAGS
from pso_pipeline.orchestration.metadata import documentation, endpoint_definition, marts_sql, table_definition
from pso_pipeline.orchestration.partitions import ENTERPRISE_PARTITIONS, ONE_RUN, report_reasons
from pso_pipeline.orchestration.resources import API_POOL, PipelineResource
from pso_pipeline.orchestration.steps import (
    FULL_CONFIG,
    Listing,
    compute_metrics,
    describe_failures,
    describe_listing,
    endpoints_to_read,
    enterprise_ids_of,
    list_enterprises,
    list_services,
    publish_snapshot,
    sync,
)
from pso_pipeline.text import for_terminal

OWNERS = ["team:data-engineering"]

EACH_REFRESH = FreshnessPolicy.time_window(warn_window=timedelta(hours=2), fail_window=timedelta(hours=3))
"""For assets that every refresh reports; a refresh starts at least once an hour."""

EACH_CHANGE = FreshnessPolicy.time_window(warn_window=timedelta(days=1), fail_window=timedelta(days=3))
"""For assets whose partitions are reported when an order changed. Dagster judges the asset by its latest partition; the
check `hotels_are_fresh` judges each hotel."""


@asset(
    group_name="mews",
    kinds={"python", "duckdb"},
    owners=OWNERS,
    pool=API_POOL,
    metadata=endpoint_definition(ENTERPRISES),
    freshness_policy=EACH_REFRESH,
)
def enterprises(context: AssetExecutionContext, pipeline: PipelineResource) -> MaterializeResult[None]:
    """Hotels that the access tokens can access, one row each, with their time zones.

    Listed by `enterprises/getAll` for each token. A new hotel gets its partition here. A hotel that no token can access
    any more stays, marked as out of scope.

    Kept fresh by the job `refresh`, which the schedule `hourly_refresh` starts every hour; the sensor
    `enterprise_discovery` lists new hotels every ten minutes.
    """
    return _result_of_listing(context, list_enterprises(pipeline, context.instance))


@asset(
    group_name="mews",
    kinds={"python", "duckdb"},
    owners=OWNERS,
    pool=API_POOL,
    metadata=endpoint_definition(SERVICES),
    freshness_policy=EACH_REFRESH,
    deps=[enterprises],
)
def services(context: AssetExecutionContext, pipeline: PipelineResource) -> MaterializeResult[None]:
    """Services that the hotels sell, such as breakfast, parking or spa, one row each.

    Listed by `services/getAll` for each token. An order names only its service, so this table links orders to hotels.

    Kept fresh by the job `refresh`, which the schedule `hourly_refresh` starts every hour.
    """
    return _result_of_listing(context, list_services(pipeline))


KEPT_FRESH = """Kept fresh by the job `refresh`, which the sensor `order_updates` starts when orders changed and the
schedules `hourly_refresh` and `nightly_look_back` start in any case. The job `full_resync` reads all history again; the
schedule `weekly_full_resync` starts it. A partition is materialized when a record of its hotel changed."""


def _describe_records(endpoint: Endpoint) -> str:
    hours = f"{endpoint.read_every.total_seconds() / 3600:.0f}"
    notes = [
        f"Records of other types are left out: {', '.join(endpoint.optional_kinds)}. A setting keeps them."
        if endpoint.optional_kinds
        else "",
        f"They change rarely, so they are read every {hours} hours." if endpoint.is_slow else "",
        "An access token that may not read them loses nothing else." if endpoint.is_optional else "",
    ]
    return (
        f"{endpoint.description}\n\n"
        f"Read by `{endpoint.operation}`: all history the first time, then the changes since the watermark of each "
        f"{endpoint.scope}.{''.join(f' {note}' for note in notes if note)}\n\n"
        f"{KEPT_FRESH}"
    )


def records_asset(endpoint: Endpoint) -> AssetsDefinition:
    """Make the asset of an endpoint whose records are read hotel by hotel."""

    @asset(
        name=endpoint.name,
        description=_describe_records(endpoint),
        group_name="mews",
        kinds={"python", "duckdb"},
        owners=OWNERS,
        pool=API_POOL,
        metadata=endpoint_definition(endpoint),
        freshness_policy=EACH_CHANGE,
        deps=[enterprises, services],
        partitions_def=ENTERPRISE_PARTITIONS,
        backfill_policy=ONE_RUN,
        output_required=False,
        config_schema={"full": FULL_CONFIG},
    )
    def records(context: AssetExecutionContext, pipeline: PipelineResource) -> MaterializeResult[None]:
        if endpoint not in endpoints_to_read(pipeline):
            raise Failure(
                description=f"{endpoint.name} is not read: PSO_ENDPOINTS does not name it", allow_retries=False
            )
        ids = enterprise_ids_of(pipeline, context.partition_keys)
        report, metadata = sync(
            pipeline, ids, endpoint=endpoint, is_full=context.op_execution_context.op_config["full"]
        )
        if not report.failed:
            for key, shown in metadata.items():
                context.add_asset_metadata(shown, partition_key=key)
            return MaterializeResult()
        for key, shown in metadata.items():
            context.log_event(
                AssetMaterialization(context.asset_key, partition=key, metadata=shown, tags=READ_WITH_LISTED_TAGS)
            )
        reasons = {each.partition_key: str(each.error) for each in report.failed}
        report_reasons(context.op_execution_context, context.asset_key, reasons)
        raise Failure(description=describe_failures(report), allow_retries=False)

    return records


RECORDS = {endpoint.name: records_asset(endpoint) for endpoint in ENDPOINTS if endpoint.keeps_versions}


@asset(
    group_name="metrics",
    kinds={"duckdb", "sql"},
    owners=OWNERS,
    metadata={**table_definition(AGG_ORDERS_DAILY), **documentation(), **marts_sql()},
    freshness_policy=EACH_CHANGE,
    deps=[RECORDS[PRODUCT_SERVICE_ORDERS.name]],
    partitions_def=ENTERPRISE_PARTITIONS,
    backfill_policy=ONE_RUN,
)
def check_in_cancellation_metrics(
    context: AssetExecutionContext, pipeline: PipelineResource
) -> MaterializeResult[None]:
    """How many orders were created, checked in and canceled, by hotel, service, origin and day in the hotel's own time.

    Computed from the landed orders as of the hotel's watermark: the marts of schema `mart`.

    Kept fresh by the jobs `refresh` and `full_resync`, for the same reasons as `product_service_orders`.
    """
    ids = enterprise_ids_of(pipeline, context.partition_keys)
    for key, shown in compute_metrics(pipeline, ids).items():
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

    A DuckDB file, Parquet files and a manifest in `PSO_BI_DIR`. Readers see the old state or the new one, never a part.
    `report.html` next to them shows the same numbers in any browser.

    Kept fresh by the jobs `refresh` and `full_resync`, which publish at their end: after each change that the sensor
    `order_updates` finds, and at least once an hour by the schedule `hourly_refresh`.
    """
    published, shown = publish_snapshot(pipeline)
    if published.held_back:
        context.log_event(AssetMaterialization(context.asset_key, metadata=shown))
        raise Failure(description="\n".join(map(for_terminal, published.held_back)), allow_retries=False)
    return MaterializeResult(metadata=shown)


ASSETS = (enterprises, services, *RECORDS.values(), check_in_cancellation_metrics, bi_snapshot)


def _result_of_listing(context: AssetExecutionContext, listing: Listing) -> MaterializeResult[None]:
    reasons = describe_listing(listing.report)
    if not reasons:
        return MaterializeResult(metadata=listing.metadata, data_version=DataVersion(LISTED))
    if not listing.has_failed:
        context.log_event(AssetMaterialization(context.asset_key, metadata=listing.metadata, tags=LISTED_TAGS))
    raise Failure(description="\n".join(reasons), allow_retries=False)
