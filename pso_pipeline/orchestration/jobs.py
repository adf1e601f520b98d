"""What runs together: `refresh` brings everything up to date in one run, `full_resync` reads all history again.

Both are jobs of ops that report to the assets, since a run of assets marks every partition of a range: here exactly
those partitions are materialized whose orders changed, and those failed whose hotel did, however many are quiet. The
steps are those of `assets`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetMaterialization,
    AssetObservation,
    AssetsDefinition,
    DagsterRun,
    Failure,
    Field,
    In,
    Nothing,
    OpExecutionContext,
    graph,
    in_process_executor,
    op,
)

from pso_pipeline.ingestion.causes import cause_of
from pso_pipeline.ingestion.clock import ServerClock
from pso_pipeline.ingestion.sync import SyncReport
from pso_pipeline.orchestration.assets import (
    API_POOL,
    FULL_CONFIG,
    Listing,
    bi_snapshot,
    check_in_cancellation_metrics,
    derive_metrics,
    describe_failures,
    describe_listing,
    describe_token_failures,
    enterprise_ids_of,
    enterprises,
    list_enterprises,
    list_services,
    product_service_orders,
    publish_snapshot,
    services,
    sync,
)
from pso_pipeline.orchestration.checks import (
    ShownStates,
    api_evaluation,
    evaluate_all_landed,
    evaluate_api,
    evaluate_counts,
    evaluate_metrics,
    evaluate_snapshot,
    noteworthy,
    sample_hotels,
)
from pso_pipeline.orchestration.metadata import Metadata
from pso_pipeline.orchestration.partitions import (
    LISTED_TAGS,
    READ_OF_LISTED_TAGS,
    materialized_partitions,
    report_failed_asset,
    report_failed_partitions,
)
from pso_pipeline.orchestration.resources import PipelineResource
from pso_pipeline.orchestration.runs import MAX_RUNTIME_TAGS
from pso_pipeline.text import for_terminal

MAX_LOOK_BACK_DAYS = 36_500
"""More than the API has any history of."""

SYNC_CONFIG = {
    "enterprises": Field(
        [str],
        default_value=[],
        description="Partition keys of the enterprises to read; all that are in scope where empty.",
    ),
    "full": FULL_CONFIG,
    "look_back_days": Field(
        float,
        default_value=0.0,
        description="Read the changes of so many days before the last refresh again, beyond the usual overlap.",
    ),
}
"""What a refresh reads. Not a `dagster.Config`, whose texts, numbers and truth values may be read from the environment:
whoever may start a run could then have a token shown as a value that is not known."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """Why tokens could not be asked, by fingerprint, and what the server told about its time.

    `problems` and `notices` are those of the listings (`ScopeReport`), `rejected` counts their rejected records.
    """

    token_failures: dict[str, str]
    clock: ServerClock
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    rejected: int = 0


@op(pool=API_POOL)
def discover(context: OpExecutionContext, pipeline: PipelineResource) -> Discovered:
    """List what the access tokens reach: enterprises and services."""
    clock = ServerClock()
    found = list_enterprises(pipeline, context.instance, clock)
    _listed(context, enterprises, found)
    context.log_event(evaluate_api(pipeline) if found.is_none else api_evaluation(None))  # type: ignore[arg-type]  # documented to take evaluations; its annotation leaves them out
    offered = list_services(pipeline, clock, found.report.failures)
    _listed(context, services, offered)
    notices = (*found.report.notices, *offered.report.notices)
    for line in notices:
        context.log.warning("%s", for_terminal(line))
    return Discovered(
        dict(offered.report.failures),
        clock,
        (*found.report.problems, *offered.report.problems),
        notices,
        found.report.rejected + offered.report.rejected,
    )


@op(pool=API_POOL, config_schema=SYNC_CONFIG)
def sync_orders(context: OpExecutionContext, pipeline: PipelineResource, discovered: Discovered) -> SyncReport:
    """Read orders and land them: what changed, or all history; hotels that fail do not hold the others up."""
    config: Mapping[str, Any] = context.op_config
    ids = enterprise_ids_of(pipeline, config["enterprises"]) if config["enterprises"] else None
    report, shown = sync(
        pipeline,
        ids,
        is_full=config["full"],
        look_back=look_back_of(config["look_back_days"]),
        token_failures=discovered.token_failures,
        clock=discovered.clock,
    )
    report = replace(
        report,
        rejected=report.rejected + discovered.rejected,
        notices=(*discovered.notices, *report.notices),
    )
    changed = {each.partition_key for each in report.enterprises if each.created or each.changed}
    _materialized_partitions(context, product_service_orders, shown, changed, READ_OF_LISTED_TAGS)
    for line in describe_failures(report).splitlines():
        context.log.error("%s", line)
    reasons = {each.partition_key: str(each.error) for each in report.failed}
    report_failed_partitions(context, product_service_orders.key, reasons)
    for each in report.enterprises:
        if each.reconciled is not None:
            context.log.info("%s: %s", each.partition_key, each.reconciled.describe())
    return report


@op(ins={"synced": In(Nothing)})
def check_landed(context: OpExecutionContext, pipeline: PipelineResource) -> None:
    """Check what landed, before anything is made of it; the publication leaves out the hotels that a rule blocks."""
    shown = ShownStates(context.instance)
    sample = sample_hotels(pipeline, context.instance)
    _report_checks(context, [*evaluate_all_landed(pipeline, shown), *evaluate_counts(pipeline, sample)], shown)


@op(ins={"checked": In(Nothing)})
def derive_marts(context: OpExecutionContext, pipeline: PipelineResource) -> None:
    """Bring the marts of the enterprises whose orders changed up to date."""
    shown = derive_metrics(pipeline, None)
    _materialized_partitions(context, check_in_cancellation_metrics, shown, set(shown))


@op(ins={"derived": In(Nothing)})
def check_marts(context: OpExecutionContext, pipeline: PipelineResource) -> None:
    """Check the marts before they are published; the publication leaves out the hotels that a rule blocks."""
    shown = ShownStates(context.instance)
    _report_checks(context, evaluate_metrics(pipeline, shown=shown), shown)


@op(ins={"checked": In(Nothing)})
def publish(context: OpExecutionContext, pipeline: PipelineResource, report: SyncReport) -> list[str]:
    """Publish the BI snapshot and check it; return a line for each hotel whose newest figures are held back.

    It is materialized where it is a new one. Dagster's freshness policy then judges how old the data are, not how long
    ago a run ended.
    """
    published, shown = publish_snapshot(pipeline, report)
    if published.is_new or context.instance.get_latest_materialization_event(bi_snapshot.key) is None:
        _materialized(context, bi_snapshot, shown)
    else:
        context.log_event(AssetObservation(bi_snapshot.key, metadata=shown))
    for each in evaluate_snapshot(pipeline, published.rewritten):
        context.log_event(each)  # type: ignore[arg-type]  # as in `_report_checks`
    return [for_terminal(line) for line in published.held_back]


@op
def conclude(context: OpExecutionContext, discovered: Discovered, report: SyncReport, held_back: list[str]) -> None:
    """End the run as failed where an enterprise or a token did, with the reasons; all others are published.

    A token behind which none of the enterprises was asked for does not fail a run of some.
    """
    run_config: Mapping[str, Any] = context.run_config
    asked_for = run_config.get("ops", {}).get("sync_orders", {}).get("config", {}).get("enterprises")
    hotels = {cause_of(str(each.error)) for each in report.failed}
    tokens = {token: reason for token, reason in discovered.token_failures.items() if cause_of(reason) not in hotels}
    reasons = [
        *([] if asked_for else describe_token_failures(tokens)),
        *([] if asked_for else map(for_terminal, discovered.problems)),
        *([describe_failures(report)] if report.failed else []),
        *held_back,
    ]
    if reasons:
        raise Failure(description="\n".join(reasons), allow_retries=False)


@graph
def bring_up_to_date() -> None:
    """Discover, sync, derive, publish, each checked before the next: one run for every enterprise."""
    discovered = discover()
    report = sync_orders(discovered)
    checked = check_marts(derive_marts(check_landed(report)))
    held_back = publish(report=report, checked=checked)
    conclude(discovered=discovered, report=report, held_back=held_back)


refresh = bring_up_to_date.to_job(
    name="refresh",
    description="Reads what changed in every hotel, derives the metrics of those, publishes the BI snapshot.",
    executor_def=in_process_executor,
    tags=MAX_RUNTIME_TAGS,
)

full_resync = bring_up_to_date.to_job(
    name="full_resync",
    description="Reads all history again, marks orders that the source no longer has, derives, publishes.",
    config={"ops": {"sync_orders": {"config": {"full": True}}}},
    executor_def=in_process_executor,
    tags=MAX_RUNTIME_TAGS,
)

_ASSETS = {
    asset.key for asset in (enterprises, services, product_service_orders, check_in_cancellation_metrics, bi_snapshot)
}


def is_ours(run: DagsterRun) -> bool:
    """Whether a run is one of these jobs or of our assets; an instance can serve other code locations too."""
    return run.job_name in {refresh.name, full_resync.name} or (
        run.asset_selection is not None and bool(run.asset_selection) and run.asset_selection <= _ASSETS
    )


def look_back_of(days: float) -> timedelta:
    """Take a number of days from a run's configuration.

    Raises:
        Failure: It is not from 0 to `MAX_LOOK_BACK_DAYS`.
    """
    if not 0 <= days <= MAX_LOOK_BACK_DAYS:
        raise Failure(description=f"look_back_days takes a number from 0 to {MAX_LOOK_BACK_DAYS}", allow_retries=False)
    return timedelta(days=days)


def _report_checks(
    context: OpExecutionContext, evaluations: Sequence[AssetCheckEvaluation], shown: ShownStates
) -> None:
    for each in noteworthy(context.instance, evaluations, shown):
        context.log_event(each)  # type: ignore[arg-type]  # documented to take evaluations; its annotation leaves them out


def _listed(context: OpExecutionContext, asset: AssetsDefinition, listing: Listing) -> None:
    """Report a listing as materialized where any token could be asked, else as failed once the run has ended."""
    if listing.is_none:
        report_failed_asset(context, asset.key, "\n".join(describe_listing(listing.report)))
    else:
        _materialized(context, asset, listing.shown, LISTED_TAGS)


def _materialized(
    context: OpExecutionContext, asset: AssetsDefinition, shown: Metadata, tags: Mapping[str, str] | None = None
) -> None:
    context.log_event(AssetMaterialization(asset.key, metadata=shown, tags=tags))


def _materialized_partitions(
    context: OpExecutionContext,
    asset: AssetsDefinition,
    shown: dict[str, Metadata],
    changed: Collection[str],
    tags: Mapping[str, str] | None = None,
) -> None:
    """Report partitions that changed, and those not shown as materialized: new ones, and those that have recovered.

    A hotel without orders is up to date too.
    """
    known = materialized_partitions(context.instance, asset.key) if shown else set()
    for key, metadata in shown.items():
        if key in changed or key not in known:
            context.log_event(AssetMaterialization(asset.key, partition=key, metadata=metadata, tags=tags))
