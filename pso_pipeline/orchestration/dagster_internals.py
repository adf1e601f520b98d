"""The names of Dagster that its documentation does not promise, each with the reason and a test.

No other module uses a private name of Dagster. Add one here only where no public call does the same, and add a test
that fails when Dagster moves the name (`pso_pipeline_tests/orchestration/test_dagster_internals.py`).
"""

import logging
from datetime import UTC, datetime

import sqlalchemy
from dagster import AssetKey, DagsterEvent, DagsterInstance, OpExecutionContext
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

LISTED = "listed"
"""Data version of `enterprises` and `services`; it never changes."""

LISTED_TAGS = {"dagster/data_version": LISTED}
READ_WITH_LISTED_TAGS = {
    "dagster/code_version": LISTED,
    **{f"dagster/input_data_version/{listing}": LISTED for listing in ("enterprises", "services")},
    **{f"dagster/input_event_pointer/{listing}": "NULL" for listing in ("enterprises", "services")},
}
"""Tags of the materializations that a job of ops reports: the data version of a listing, and which listings the orders
were read with. A run of assets writes the same tags by itself. Without them the web UI marks every quiet hotel as
unsynced after each refresh, because `enterprises` and `services` were materialized later than the hotel's orders."""


def plan_materialization(context: OpExecutionContext, asset: AssetKey, partition: str | None) -> None:
    """Record that the run planned to materialize an asset or one partition of it.

    The web UI shows what a failed run had planned, and did not materialize, as failed. A run of assets plans everything
    that it selects. A run of ops plans nothing, and no public call records a plan.
    """
    planned = DagsterEvent.build_asset_materialization_planned_event(
        context.job_name, str(context.op_handle), AssetMaterializationPlannedData(asset, partition)
    )
    context.instance.report_dagster_event(planned, run_id=context.run_id, log_level=logging.DEBUG)


def remove_old_check_evaluations(instance: DagsterInstance, before: datetime) -> None:
    """Remove the evaluations of checks that were made before a moment (aware), except the latest of each check.

    Deleting a run leaves them, and no public call removes them.
    """
    table = AssetCheckExecutionsTable
    latest = sqlalchemy.select(sqlalchemy.func.max(table.c.id)).group_by(
        table.c.asset_key, table.c.check_name, table.c.partition
    )
    moment = before.astimezone(UTC).replace(tzinfo=None)
    if not isinstance(instance.event_log_storage, SqlEventLogStorage):
        return
    with instance.event_log_storage.index_connection() as connection:
        connection.execute(table.delete().where(table.c.create_timestamp < moment, table.c.id.not_in(latest)))
