"""The jobs `refresh` and `full_resync`, one run for all hotels, whose steps report to the assets.

They are jobs of ops, not of assets: a run of partitioned assets records a planned event for every partition of a range
and marks all of them when one hotel fails, and a failed asset stops those after it. Here exactly the partitions are
materialized whose orders changed, and exactly those fail whose hotel did. Add an op here when a refresh takes one more
step; what the step does is in `steps`.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    MAX_RUNTIME_SECONDS_TAG,
    AssetCheckEvaluation,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
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

from pso_pipeline.contract.marts import OPS_TABLES
from pso_pipeline.ingestion.causes import cause_of
from pso_pipeline.ingestion.clock import ServerClock
from pso_pipeline.ingestion.sync import SyncReport, combine_reports
from pso_pipeline.orchestration.asset_keys import ALL_ASSETS, ENTERPRISES, METRICS, SERVICES, SNAPSHOT
from pso_pipeline.orchestration.dagster_internals import LISTED_TAGS, READ_WITH_LISTED_TAGS
from pso_pipeline.orchestration.evaluations import (
    FIGURES,
    api_evaluation,
    evaluate_api,
    evaluate_counts,
    evaluate_landed_tables,
    evaluate_metrics,
    evaluate_snapshot,
    sample_hotels,
)
from pso_pipeline.orchestration.metadata import Metadata
from pso_pipeline.orchestration.partitions import (
    materialized_partitions,
    report_failed_asset,
    report_failed_partitions,
)
from pso_pipeline.orchestration.repeating import choose_evaluations, is_repetition_due, is_worth_recording
from pso_pipeline.orchestration.resources import API_POOL, PipelineResource
from pso_pipeline.orchestration.run_tags import describe_publication, tag_run
from pso_pipeline.orchestration.runs import MAX_RUNTIME, REQUESTED_BY
from pso_pipeline.orchestration.shards import REFRESH_TAG, SHARD_TAG, STAGES
from pso_pipeline.orchestration.steps import (
    FULL_CONFIG,
    Listing,
    compute_metrics,
    describe_failures,
    describe_listing,
    describe_token_failures,
    endpoints_to_read,
    enterprise_ids_of,
    list_enterprises,
    list_services,
    note,
    publish_snapshot,
    sync,
)
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.operations import Noted

MAX_LOOK_BACK_DAYS = 36_500
"""Longer than the history of the API."""

SYNC_CONFIG = {
    "enterprises": Field(
        [str],
        default_value=[],
        description="Partition keys of the hotels to read; all hotels in scope where empty.",
    ),
    "full": FULL_CONFIG,
    "look_back_days": Field(
        float,
        default_value=0.0,
        description="Read the changes of this many days before the last refresh again, instead of the usual overlap.",
    ),
}
"""What a refresh reads. It is not a `dagster.Config`, whose values may name environment variables: a person who may
start a run could read a token that way."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """The outcome of listing hotels and services.

    `token_failures` has the reason why a token failed, by its fingerprint. `clock` has the server's time. `problems`
    and `notices` are those of the listings (`ScopeReport`). `rejected` counts the records that could not be read.
    """

    token_failures: dict[str, str]
    clock: ServerClock
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    rejected: int = 0


@op(pool=API_POOL)
def discover(context: OpExecutionContext, pipeline: PipelineResource) -> Discovered:
    """List the hotels and the services that the access tokens can access."""
    return discover_and_report(context, pipeline)


def discover_and_report(context: OpExecutionContext, pipeline: PipelineResource) -> Discovered:
    """List the hotels and the services, and report their assets and whether the API answers."""
    clock = ServerClock()
    hotels = list_enterprises(pipeline, context.instance, clock)
    _report_listing(context, ENTERPRISES, hotels)
    _report_checks(context, [evaluate_api(pipeline) if hotels.has_failed else api_evaluation(None)])
    services = list_services(pipeline, clock, hotels.report.failures)
    _report_listing(context, SERVICES, services)
    notices = (*hotels.report.notices, *services.report.notices)
    for line in notices:
        context.log.warning("%s", for_terminal(line))
    return Discovered(
        dict(services.report.failures),
        clock,
        (*hotels.report.problems, *services.report.problems),
        notices,
        hotels.report.rejected + services.report.rejected,
    )


@op(pool=API_POOL, config_schema=SYNC_CONFIG)
def sync_orders(context: OpExecutionContext, pipeline: PipelineResource, discovered: Discovered) -> SyncReport:
    """Read and land orders, then the records of every other endpoint: the changes, or all history.

    A failing hotel does not stop the others. Returns the counts of orders, and the failures of all endpoints.
    """
    config: Mapping[str, Any] = context.op_config
    ids = enterprise_ids_of(pipeline, config["enterprises"]) if config["enterprises"] else None
    report = sync_and_report(context, pipeline, ids, discovered)
    return replace(
        report,
        rejected=report.rejected + discovered.rejected,
        notices=(*discovered.notices, *report.notices),
    )


def sync_and_report(
    context: OpExecutionContext,
    pipeline: PipelineResource,
    ids: Collection[str] | None,
    discovered: Discovered,
    *,
    is_alone: bool = False,
) -> SyncReport:
    """Read the records of every endpoint for these hotels, as the op's `SYNC_CONFIG` asks, and report the assets.

    `is_alone` as in `SyncOptions`.
    """
    config: Mapping[str, Any] = context.op_config
    reports = []
    for endpoint in endpoints_to_read(pipeline):
        report, shown = sync(
            pipeline,
            ids,
            endpoint=endpoint,
            is_full=config["full"],
            look_back=look_back_of(config["look_back_days"]),
            token_failures=discovered.token_failures,
            clock=discovered.clock,
            is_alone=is_alone,
        )
        _report_sync(context, AssetKey(endpoint.name), report, shown)
        reports.append(report)
    report = combine_reports(reports)
    for line in report.troubles:
        context.log.warning("%s", for_terminal(line))
    tag_run(context, report)
    _note(context, pipeline, report)
    return report


@op(ins={"synced": In(Nothing)})
def check_orders(context: OpExecutionContext, pipeline: PipelineResource) -> None:
    """Check the landed tables; a hotel that breaks a blocking rule keeps its last published figures."""
    sample = sample_hotels(pipeline, context.instance)
    _report_checks(context, [*evaluate_landed_tables(pipeline), *evaluate_counts(pipeline, sample)])


@op(ins={"checked": In(Nothing)})
def compute_marts(context: OpExecutionContext, pipeline: PipelineResource) -> None:
    """Compute the marts of the hotels whose orders changed."""
    report_metrics(context, compute_metrics(pipeline, None))


def report_metrics(context: OpExecutionContext, shown: dict[str, Metadata]) -> None:
    """Report the partitions whose metrics were computed."""
    _report_partitions(context, METRICS, shown, set(shown))


@op(ins={"computed": In(Nothing)})
def check_marts(context: OpExecutionContext, pipeline: PipelineResource) -> None:
    """Check the marts; a hotel that breaks a blocking rule keeps its last published figures."""
    _report_checks(context, evaluate_metrics(pipeline))


@op(ins={"checked": In(Nothing)})
def publish(context: OpExecutionContext, pipeline: PipelineResource, report: SyncReport) -> list[str]:
    """Publish the BI snapshot and check it; return one line for each hotel whose newest figures are not published."""
    return publish_and_report(context, pipeline, report)


def publish_and_report(
    context: OpExecutionContext, pipeline: PipelineResource, report: SyncReport | None = None
) -> list[str]:
    """Publish the BI snapshot, check it and report the asset; return one line for each hotel that is held back.

    The asset is materialized when its figures changed, and now and then when the data are newer, so that Dagster's
    freshness policy judges the age of the data and not that of the last run.
    """
    _note(context, pipeline)
    published, shown = publish_snapshot(pipeline, report)
    context.log.info("%s", describe_publication(published))
    has_advanced = not {table.name for table in OPS_TABLES}.issuperset(published.rewritten)
    has_new_figures = bool(FIGURES.intersection(published.rewritten))
    is_reported = has_new_figures or is_repetition_due(context.instance, SNAPSHOT)
    if is_reported:
        is_first = context.instance.get_latest_materialization_event(SNAPSHOT) is None
        kind = AssetMaterialization if has_advanced or is_first else AssetObservation
        context.log_event(kind(SNAPSHOT, metadata=shown))
    _report_checks(context, evaluate_snapshot(pipeline, None if is_reported else published.rewritten))
    return [for_terminal(line) for line in published.held_back]


@op
def conclude(context: OpExecutionContext, discovered: Discovered, report: SyncReport, held_back: list[str]) -> None:
    """Fail the run where a hotel or a token failed, with the reasons; all other hotels are published by now.

    A run of selected hotels does not fail because of a token that none of them needs.
    """
    run_config: Mapping[str, Any] = context.run_config
    selected = run_config.get("ops", {}).get("sync_orders", {}).get("config", {}).get("enterprises")
    hotels = {cause_of(str(each.error)) for each in report.failed}
    tokens = {token: reason for token, reason in discovered.token_failures.items() if cause_of(reason) not in hotels}
    reasons = [
        *([] if selected else describe_token_failures(tokens)),
        *([] if selected else map(for_terminal, discovered.problems)),
        *([describe_failures(report)] if report.failed else []),
        *held_back,
    ]
    if reasons:
        raise Failure(description="\n".join(reasons), allow_retries=False)


@graph
def refresh_all() -> None:
    """Discover, sync, compute, publish, with checks between the steps."""
    discovered = discover()
    report = sync_orders(discovered)
    checked = check_marts(compute_marts(check_orders(report)))
    held_back = publish(report=report, checked=checked)
    conclude(discovered=discovered, report=report, held_back=held_back)


MAX_RUNTIME_TAGS = {MAX_RUNTIME_SECONDS_TAG: str(round(MAX_RUNTIME.total_seconds()))}
"""Dagster's run monitoring ends a longer run that it launched."""

refresh = refresh_all.to_job(
    name="refresh",
    description="Reads the changes of every hotel, computes their metrics, publishes the BI snapshot.",
    executor_def=in_process_executor,
    tags=MAX_RUNTIME_TAGS,
)

full_resync = refresh_all.to_job(
    name="full_resync",
    description="Reads all history again, marks orders that the source no longer has, computes, publishes.",
    config={"ops": {"sync_orders": {"config": {"full": True}}}},
    executor_def=in_process_executor,
    tags=MAX_RUNTIME_TAGS,
)


def is_ours(run: DagsterRun) -> bool:
    """Whether a run is of one of our jobs or assets; an instance can serve other code locations too."""
    return run.job_name in {refresh.name, full_resync.name, *STAGES} or (
        run.asset_selection is not None and bool(run.asset_selection) and run.asset_selection <= ALL_ASSETS
    )


def look_back_of(days: float) -> timedelta:
    """Convert a number of days from a run's configuration.

    Raises:
        Failure: The number is not from 0 to `MAX_LOOK_BACK_DAYS`.
    """
    if not 0 <= days <= MAX_LOOK_BACK_DAYS:
        raise Failure(description=f"look_back_days takes a number from 0 to {MAX_LOOK_BACK_DAYS}", allow_retries=False)
    return timedelta(days=days)


def _note(context: OpExecutionContext, pipeline: PipelineResource, report: SyncReport | None = None) -> None:
    """Note what the run read, or without a report that the refresh begins to publish."""
    run, record = context.run, context.instance.get_run_record_by_id(context.run_id)
    now = datetime.now(UTC)
    began = datetime.fromtimestamp(record.start_time, UTC) if record and record.start_time else now
    noted = Noted(run.tags.get(REFRESH_TAG, context.run_id), run.tags.get(REQUESTED_BY, "person"), began)
    if report is not None:
        noted = replace(
            noted,
            hotels_read=len(report.enterprises),
            hotels_failed=len(report.failed),
            orders_created=sum(each.created for each in report.enterprises),
            orders_changed=sum(each.changed for each in report.enterprises),
            records_rejected=report.rejected,
            requests=sum(report.requests.values()),
            bytes_received=report.bytes_received,
        )
    # a run that reads and publishes is noted twice, and its CPU time once
    if report is None or SHARD_TAG in run.tags:
        noted = replace(noted, cpu_seconds=time.process_time())
    note(pipeline, noted if report is not None else replace(noted, ended_utc=now))


def _report_checks(context: OpExecutionContext, evaluations: Sequence[AssetCheckEvaluation]) -> None:
    for each in choose_evaluations(context.instance, evaluations):
        context.log_event(each)  # type: ignore[arg-type]  # documented to take evaluations; its annotation leaves them out


def _report_listing(context: OpExecutionContext, asset: AssetKey, listing: Listing) -> None:
    if listing.has_failed:
        report_failed_asset(context, asset, "\n".join(describe_listing(listing.report)))
        return
    outcome = AssetMaterialization(asset, metadata=listing.metadata, tags=LISTED_TAGS)
    if is_worth_recording(context.instance, outcome):
        context.log_event(outcome)


def _report_sync(context: OpExecutionContext, asset: AssetKey, report: SyncReport, shown: dict[str, Metadata]) -> None:
    changed = {each.partition_key for each in report.enterprises if each.created or each.changed}
    _report_partitions(context, asset, shown, changed, READ_WITH_LISTED_TAGS)
    # what a token cannot read is one line, and no event for each of thousands of hotels
    failed = [each for each in report.failed if each.partition_key not in report.given_up]
    if not report.endpoint.is_optional:
        for line in describe_failures(report).splitlines():
            context.log.error("%s", line)
    report_failed_partitions(context, asset, {each.partition_key: str(each.error) for each in failed})
    for each in report.enterprises:
        if each.reconciled is not None:
            records = report.endpoint.name.replace("_", " ")
            context.log.info("%s: %s", each.partition_key, each.reconciled.describe(records))


def _report_partitions(
    context: OpExecutionContext,
    asset: AssetKey,
    shown: dict[str, Metadata],
    changed: Collection[str],
    tags: Mapping[str, str] | None = None,
) -> None:
    """Report as materialized the partitions that changed, and those that are not shown as materialized yet.

    The latter are new hotels, also those without orders, and hotels that have recovered from a failure.
    """
    known = materialized_partitions(context.instance, asset) if shown else set()
    for key, metadata in shown.items():
        if key in changed or key not in known:
            context.log_event(AssetMaterialization(asset, partition=key, metadata=metadata, tags=tags))
