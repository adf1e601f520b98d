"""The one partitions definition: an enterprise (hotel) each, under its readable and permanent key, and its states.

Add here what concerns partitions as such. What a run does for a partition stands in `assets` and `jobs`.
"""

import logging
import warnings
from collections.abc import Collection, Mapping

from dagster import (
    AssetKey,
    AssetObservation,
    BackfillPolicy,
    BetaWarning,
    DagsterEvent,
    DagsterInstance,
    DynamicPartitionsDefinition,
    OpExecutionContext,
)
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from pso_pipeline.text import for_markdown

# `backfill_policy` has been beta for years; a refresh of many partitions in one run needs it
warnings.filterwarnings("ignore", message="Parameter `backfill_policy` of function `asset`", category=BetaWarning)

ONE_RUN = BackfillPolicy.single_run()
"""A backfill of many enterprises is one run: starting a run costs seconds."""

ENTERPRISE_PARTITIONS = DynamicPartitionsDefinition(name="enterprise")
"""Keys are `mews.enterprises.partition_key`; none is ever taken away, so that history stays."""

LISTED = "listed"
"""Data version of `enterprises` and `services`, always the same: orders do not become stale because hotels were listed
again, and Dagster would mark every quiet hotel as unsynced after each refresh."""

LISTED_TAGS = {"dagster/data_version": LISTED}
"""Tags of a listing that a job reports; an asset's own run says the same by `data_version`."""

READ_OF_LISTED_TAGS = {
    "dagster/code_version": LISTED,
    **{f"dagster/input_data_version/{listing}": LISTED for listing in ("enterprises", "services")},
    **{f"dagster/input_event_pointer/{listing}": "NULL" for listing in ("enterprises", "services")},
}
"""Tags of orders that a job reports: which listings they were read with, as Dagster notes it for an asset's own run."""


def missing_partitions(instance: DagsterInstance, keys: Collection[str]) -> list[str]:
    """Tell which enterprises have no partition yet, in order."""
    known = set(instance.get_dynamic_partitions(str(ENTERPRISE_PARTITIONS.name)))
    return sorted(set(keys) - known)


def add_partitions(instance: DagsterInstance, keys: Collection[str]) -> None:
    """Add a partition for each enterprise that has none yet."""
    if missing := missing_partitions(instance, keys):
        instance.add_dynamic_partitions(str(ENTERPRISE_PARTITIONS.name), missing)


def materialized_partitions(instance: DagsterInstance, asset: AssetKey) -> set[str]:
    """Tell which partitions of an asset are shown as materialized; one whose last run failed is not."""
    keys = instance.get_dynamic_partitions(str(ENTERPRISE_PARTITIONS.name))
    states = instance.get_status_by_partition(asset, keys, ENTERPRISE_PARTITIONS) or {}
    return {key for key, state in states.items() if state is AssetPartitionStatus.MATERIALIZED}


def report_failed_partitions(context: OpExecutionContext, asset: AssetKey, reasons: Mapping[str, str]) -> None:
    """Show exactly these partitions of an asset as failed, once the run has ended as failed, with the reason of each.

    The next materialization of a partition clears it.
    """
    for key in reasons:
        _plan(context, asset, key)
    report_reasons(context, asset, reasons)


def report_failed_asset(context: OpExecutionContext, asset: AssetKey, reason: str) -> None:
    """Show an asset without partitions as failed, once the run has ended as failed, with the reason."""
    _plan(context, asset, None)
    shown = for_markdown(reason)
    context.log_event(AssetObservation(asset, description=shown, metadata={"reason": shown}))


def _plan(context: OpExecutionContext, asset: AssetKey, partition: str | None) -> None:
    """Note that the run had planned to materialize this: what failed runs had planned, Dagster shows as failed.

    A run of assets plans all that it is to materialize; a run of ops plans nothing, and has no public call to do so.
    """
    planned = DagsterEvent.build_asset_materialization_planned_event(
        context.job_name, str(context.op_handle), AssetMaterializationPlannedData(asset, partition)
    )
    context.instance.report_dagster_event(planned, run_id=context.run_id, log_level=logging.DEBUG)


def report_reasons(context: OpExecutionContext, asset: AssetKey, reasons: Mapping[str, str]) -> None:
    """Note on the page of each of these partitions why it failed."""
    for key, reason in reasons.items():
        shown = for_markdown(reason)
        context.log_event(AssetObservation(asset, description=shown, partition=key, metadata={"reason": shown}))
