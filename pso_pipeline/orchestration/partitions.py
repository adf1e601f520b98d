"""The partitions definition `enterprise`: one partition for each hotel, under its permanent key.

Add here what concerns partitions as such: their keys and their states in the web UI. What a run does for a partition is
in `steps`, `assets` and `jobs`.
"""

import warnings
from collections.abc import Collection, Mapping

from dagster import (
    AssetKey,
    AssetObservation,
    AssetPartitionStatus,
    BackfillPolicy,
    BetaWarning,
    DagsterInstance,
    DynamicPartitionsDefinition,
    OpExecutionContext,
)

from pso_pipeline.orchestration.dagster_internals import plan_materialization
from pso_pipeline.text import for_markdown

# `backfill_policy` has been beta for years; one run over many partitions needs it
warnings.filterwarnings("ignore", message="Parameter `backfill_policy` of function `asset`", category=BetaWarning)

ONE_RUN = BackfillPolicy.single_run()
"""A backfill of many hotels is one run, because each run takes seconds to start."""

PARTITIONS_NAME = "enterprise"

ENTERPRISE_PARTITIONS = DynamicPartitionsDefinition(name=PARTITIONS_NAME)
"""Keys are `mews.enterprises.partition_key`. A key is never deleted, so that the history of a hotel stays."""


def missing_partitions(instance: DagsterInstance, keys: Collection[str]) -> list[str]:
    """Return the keys that have no partition yet, sorted."""
    return sorted(set(keys).difference(instance.get_dynamic_partitions(PARTITIONS_NAME)))


def add_partitions(instance: DagsterInstance, keys: Collection[str]) -> None:
    """Add a partition for each key that has none yet."""
    if missing := missing_partitions(instance, keys):
        instance.add_dynamic_partitions(PARTITIONS_NAME, missing)


def materialized_partitions(instance: DagsterInstance, asset: AssetKey) -> set[str]:
    """Return the partitions that the web UI shows as materialized; those whose last run failed are not among them."""
    keys = instance.get_dynamic_partitions(PARTITIONS_NAME)
    states = instance.get_status_by_partition(asset, keys, ENTERPRISE_PARTITIONS) or {}
    return {key for key, state in states.items() if state is AssetPartitionStatus.MATERIALIZED}


def report_failed_partitions(context: OpExecutionContext, asset: AssetKey, reasons: Mapping[str, str]) -> None:
    """Show exactly these partitions as failed, each with its reason, once the run has failed.

    The next materialization of a partition clears its failure.
    """
    for key in reasons:
        plan_materialization(context, asset, key)
    report_reasons(context, asset, reasons)


def report_failed_asset(context: OpExecutionContext, asset: AssetKey, reason: str) -> None:
    """Show an asset without partitions as failed, with the reason, once the run has failed."""
    plan_materialization(context, asset, None)
    shown = for_markdown(reason)
    context.log_event(AssetObservation(asset, description=shown, metadata={"reason": shown}))


def report_reasons(context: OpExecutionContext, asset: AssetKey, reasons: Mapping[str, str]) -> None:
    """Write the reason of a failure on the page of each of these partitions."""
    for key, reason in reasons.items():
        shown = for_markdown(reason)
        context.log_event(AssetObservation(asset, description=shown, partition=key, metadata={"reason": shown}))
