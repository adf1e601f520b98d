"""The jobs of a refresh that several machines execute: `discover`, `sync`, `derive`, `check` and `publish`.

Each run does the work of one shard (`shards`) in one process, with the functions that the job `refresh` uses. A run
fails where a hotel or a token failed; the stages after it follow all the same (`stages`). Add a job here when a refresh
takes one more stage.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dagster import Failure, JobDefinition, OpExecutionContext, graph, in_process_executor, op

from pso_pipeline.ingestion.sync import SyncReport
from pso_pipeline.orchestration.jobs import (
    MAX_RUNTIME_TAGS,
    SYNC_CONFIG,
    Discovered,
    check_marts,
    check_orders,
    discover_and_report,
    publish_and_report,
    report_metrics,
    sync_and_report,
)
from pso_pipeline.orchestration.resources import PipelineResource
from pso_pipeline.orchestration.shards import (
    CHECK,
    CONCLUDED_TAG,
    DERIVE,
    DISCOVER,
    PUBLISH,
    SHARD_TAG,
    SYNC,
    fingerprint_of,
    range_of,
)
from pso_pipeline.orchestration.steps import (
    ask_time,
    compute_metrics,
    describe_failures,
    describe_token_failures,
    hotels_of_token,
)
from pso_pipeline.text import for_terminal

USED_WITH = "Used if PSO_SHARDED is 1."


@op(config_schema=SYNC_CONFIG)
def discover_hotels(context: OpExecutionContext, pipeline: PipelineResource) -> None:
    """List the hotels and the services; the configuration says what the syncs read that follow."""
    found = discover_and_report(context, pipeline)
    _conclude(context, [*describe_token_failures(found.token_failures), *map(for_terminal, found.problems)])


@op(config_schema=SYNC_CONFIG)
def sync_token(context: OpExecutionContext, pipeline: PipelineResource) -> SyncReport:
    """Read and land the records of the hotels that are read with one access token. A failing hotel stops no other."""
    config: Mapping[str, Any] = context.op_config
    fingerprint = fingerprint_of(context.run)
    ids = hotels_of_token(pipeline, fingerprint, config["enterprises"])
    clock = ask_time(pipeline, fingerprint)
    # the lease of the token keeps other runs from its hotels
    return sync_and_report(context, pipeline, ids, Discovered({}, clock), is_alone=True)


@op
def conclude_sync(context: OpExecutionContext, report: SyncReport) -> None:
    """Fail the run where a hotel failed, with the reasons; all other hotels have landed by now."""
    _conclude(context, describe_failures(report).splitlines())


@op
def derive_range(context: OpExecutionContext, pipeline: PipelineResource) -> None:
    """Compute the marts of the hotels of one range whose orders changed."""
    report_metrics(context, compute_metrics(pipeline, None, range_of(context.run)))


@op
def publish_marts(context: OpExecutionContext, pipeline: PipelineResource) -> None:
    """Publish the BI snapshot; fail the run where a check holds a hotel back."""
    _conclude(context, publish_and_report(context, pipeline))


@graph
def discover_shard() -> None:
    """List the hotels and the services."""
    discover_hotels()


@graph
def sync_shard() -> None:
    """Read and land the records of one access token."""
    conclude_sync(sync_token())


@graph
def derive_shard() -> None:
    """Compute the marts of one range of hotels."""
    derive_range()


@graph
def check_shard() -> None:
    """Check the landed tables and the marts."""
    check_marts(check_orders())


@graph
def publish_shard() -> None:
    """Publish the snapshot."""
    publish_marts()


discover = discover_shard.to_job(
    name=DISCOVER,
    description=f"Lists the hotels and services of all access tokens. {USED_WITH}",
    executor_def=in_process_executor,
    tags={**MAX_RUNTIME_TAGS, SHARD_TAG: DISCOVER},
)
sync = sync_shard.to_job(
    name=SYNC,
    description=f"Reads the changes, or all history, of the hotels of one access token. {USED_WITH}",
    executor_def=in_process_executor,
    tags=MAX_RUNTIME_TAGS,
)
derive = derive_shard.to_job(
    name=DERIVE,
    description=f"Computes the metrics of one range of hotels. {USED_WITH}",
    executor_def=in_process_executor,
    tags=MAX_RUNTIME_TAGS,
)
check = check_shard.to_job(
    name=CHECK,
    description=f"Checks the landed tables and the metrics. {USED_WITH}",
    executor_def=in_process_executor,
    tags={**MAX_RUNTIME_TAGS, SHARD_TAG: CHECK},
)
publish = publish_shard.to_job(
    name=PUBLISH,
    description=f"Publishes the BI snapshot. {USED_WITH}",
    executor_def=in_process_executor,
    tags={**MAX_RUNTIME_TAGS, SHARD_TAG: PUBLISH},
)

SHARD_JOBS: dict[str, JobDefinition] = {job.name: job for job in (discover, sync, derive, check, publish)}


def _conclude(context: OpExecutionContext, reasons: Sequence[str]) -> None:
    """Fail the run with these reasons, one a line, and mark it as one that did its work; do nothing without any."""
    if reasons:
        context.instance.add_run_tags(context.run_id, {CONCLUDED_TAG: "true"})
        raise Failure(description="\n".join(reasons), allow_retries=False)
