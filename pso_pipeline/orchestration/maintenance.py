"""Maintenance of the lake: the asset, its check and its job. A warehouse in a file needs none, and they say so.

What is done is in `warehouse/maintaining`; the schedule is in `schedules`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetSelection,
    MaterializeResult,
    asset,
    define_asset_job,
    in_process_executor,
)

from pso_pipeline.orchestration.asset_keys import LAKE
from pso_pipeline.orchestration.jobs import MAX_RUNTIME_TAGS
from pso_pipeline.orchestration.resources import PipelineResource, one_line_failures
from pso_pipeline.orchestration.shards import SHARD_TAG
from pso_pipeline.warehouse.maintaining import LakeState, maintain, read_lake_state

TIDY_CHECK = "lake_is_tidy"

MAX_FILES_PER_TABLE = 100
"""Files of a table, on average, above which reading takes noticeably longer than it has to."""

LATE = timedelta(days=2)
"""How much older than it is kept a snapshot may be: maintenance runs once a day."""

A_FILE = "The warehouse is a file, which needs no maintenance."


@asset(
    key=LAKE,
    group_name="mews",
    kinds={"duckdb"},
    owners=["team:data-engineering"],
    check_specs=[
        AssetCheckSpec(
            TIDY_CHECK,
            asset=LAKE,
            description=(
                f"The lake has at most {MAX_FILES_PER_TABLE} files for each table, and no snapshot is much older than "
                "PSO_KEEP_SNAPSHOTS_DAYS."
            ),
        )
    ],
)
def lake_maintenance(
    context: AssetExecutionContext, pipeline: PipelineResource
) -> Iterator[MaterializeResult[None] | AssetCheckResult]:
    """The files of a DuckLake, kept few: small files are joined, old snapshots and their files removed.

    Frozen copies of the catalog that are older than `PSO_KEEP_SNAPSHOTS_DAYS` cannot be read any more. Nothing is done
    where the warehouse is a file.

    Kept fresh by the job `maintain`, which the schedule `daily_maintenance` starts.
    """
    with one_line_failures():
        keep = timedelta(days=pipeline.settings().pso_keep_snapshots_days)
        warehouse = pipeline.warehouse()
        if not warehouse.lake:
            context.log.info(A_FILE)
            yield MaterializeResult(
                metadata={"files": 0, "note": A_FILE},
                check_results=[AssetCheckResult(check_name=TIDY_CHECK, passed=True, description=A_FILE)],
            )
            return
        with warehouse.open() as connection:
            before = read_lake_state(connection)
            deleted = maintain(connection, keep)
            after = read_lake_state(connection)
    yield MaterializeResult(
        metadata={
            "files": after.files,
            "files_before": before.files,
            "files_deleted": deleted,
            "snapshots": after.snapshots,
            "snapshots_before": before.snapshots,
            "oldest_snapshot_utc": f"{after.oldest_snapshot_utc:%Y-%m-%d %H:%M}",
        },
        check_results=[judge(after, keep, datetime.now(UTC))],
    )


def judge(state: LakeState, keep: timedelta, now: datetime) -> AssetCheckResult:
    """Judge a lake by its files and the age of its oldest snapshot; too much of either is a warning."""
    age = now - state.oldest_snapshot_utc
    problems = []
    if state.files > MAX_FILES_PER_TABLE * state.tables:
        problems.append(f"{state.files:,} files for {state.tables} tables")
    if age > keep + LATE and state.snapshots > 1:
        problems.append(f"the oldest snapshot is {age.days} days old")
    return AssetCheckResult(
        check_name=TIDY_CHECK,
        passed=not problems,
        severity=AssetCheckSeverity.WARN,
        description="; ".join(problems) or f"{state.files:,} files, {state.snapshots:,} snapshots",
        metadata={"files": state.files, "tables": state.tables, "snapshots": state.snapshots, "oldest_days": age.days},
    )


maintain_lake = define_asset_job(
    "maintain",
    selection=AssetSelection.assets(LAKE),
    description="Joins the small files of a lake, and removes old snapshots and the files that only they need.",
    executor_def=in_process_executor,
    tags={**MAX_RUNTIME_TAGS, SHARD_TAG: "maintain"},
)
