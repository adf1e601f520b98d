"""Which outcomes of a refresh are worth an event: those that differ from the last one, and one now and then.

A refresh may run every minute, and each event stays in Dagster's storage for weeks. An outcome that is the same as
before is recorded again only after a pause, which shows that it was looked at, and which freshness policies need.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    AssetMaterialization,
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
)

REPEATED_AFTER = timedelta(minutes=30)
"""An outcome that did not change is recorded again after this time. Every hourly refresh records each outcome."""


def is_worth_recording(instance: DagsterInstance, outcome: AssetMaterialization) -> bool:
    """Whether the materialization of an asset without partitions says more than the asset's last one."""
    last = _last_materialization(instance, outcome.asset_key)
    return last is None or last.metadata != outcome.metadata


def is_repetition_due(instance: DagsterInstance, asset: AssetKey) -> bool:
    """Whether an asset without partitions is to be materialized again although nothing changed."""
    return _last_materialization(instance, asset) is None


def choose_evaluations(
    instance: DagsterInstance, evaluations: Sequence[AssetCheckEvaluation]
) -> list[AssetCheckEvaluation]:
    """Choose the evaluations that say more than the last one of their check; one that passes says the same.

    The web UI shows a check as not evaluated if its asset was materialized since, so each is recorded again then.
    """
    pause_ends = (datetime.now(UTC) - REPEATED_AFTER).timestamp()
    since = {
        asset: max(pause_ends, made.timestamp if (made := instance.get_latest_materialization_event(asset)) else 0)
        for asset in {each.asset_key for each in evaluations}
    }
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [each.asset_check_key for each in evaluations]
    )
    recent: dict[AssetCheckKey, tuple[bool, str | None]] = {}
    for key, record in records.items():
        entry = record.event
        event = entry.dagster_event if entry else None
        # a check that a run has yet to evaluate has a record without an outcome
        if (
            entry
            and event
            and event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION
            and entry.timestamp > since[key.asset_key]
        ):
            recent[key] = _outcome(event.asset_check_evaluation_data)
    return [each for each in evaluations if recent.get(each.asset_check_key) != _outcome(each)]


def _outcome(evaluation: AssetCheckEvaluation) -> tuple[bool, str | None]:
    return (True, None) if evaluation.passed else (False, evaluation.description)


def _last_materialization(instance: DagsterInstance, asset: AssetKey) -> AssetMaterialization | None:
    """Return the last materialization if it is recent and no run has failed to make another one since."""
    records = instance.fetch_materializations(AssetRecordsFilter(asset), limit=1).records
    if not records or records[0].timestamp < (datetime.now(UTC) - REPEATED_AFTER).timestamp():
        return None
    planned = instance.event_log_storage.get_latest_planned_materialization_info(asset)
    if planned is not None and planned.storage_id > records[0].storage_id:
        return None
    return records[0].asset_materialization
