"""Retention: what old runs leave in Dagster's storage is removed, so that DAGSTER_HOME does not grow for ever.

A run is removed with all its events if the web UI shows nothing of it as the latest state of an asset, a partition or
a check. Otherwise the run and its events in the index stay, and only its own event file and its logs are removed. The
number of such runs is bounded by that of the partitions. The job `housekeeping` and `pso prune` call this.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster import (
    AssetKey,
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    OpExecutionContext,
    RunsFilter,
    in_process_executor,
    job,
    op,
)

from pso_pipeline.orchestration.checks import CHECK_KEYS
from pso_pipeline.orchestration.dagster_internals import remove_old_check_evaluations
from pso_pipeline.orchestration.jobs import MAX_RUNTIME_TAGS, is_ours
from pso_pipeline.orchestration.resources import PipelineResource, one_line_failures
from pso_pipeline.settings import LocalSettings

FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]

PAGE = 500
"""Runs and events that are read from the storage at a time."""

_RUN_FILES = "????????-????-????-????-????????????.db"


@dataclass(frozen=True, slots=True)
class Pruned:
    """The outcome of pruning: runs that were removed, runs of which only files were removed, and freed bytes."""

    removed: int
    emptied: int
    freed_bytes: int

    def describe(self) -> str:
        """Describe the outcome in one line."""
        return (
            f"removed {self.removed:,} old runs, and the logs of {self.emptied:,} more that the web UI still shows: "
            f"{self.freed_bytes / 1e6:,.1f} MB freed"
        )


def prune(instance: DagsterInstance, keep: timedelta, now: datetime | None = None) -> Pruned:
    """Remove what runs of this project left that ended longer than `keep` ago; `now` is aware.

    Runs that are not finished are not touched, whatever their age. With Dagster's storage in PostgreSQL there are no
    event files; the events are in the database, and those of removed runs are deleted there.
    """
    before = (now or datetime.now(UTC)) - keep
    removed = emptied = freed = 0
    shown: set[str] | None = None
    for run in _old_runs(instance, before):
        shown = _runs_shown(instance) if shown is None else shown
        freed += _size(files := _files_of(instance, run.run_id))
        if run.run_id not in shown:
            instance.delete_run(run.run_id)
            removed += 1
        elif files:
            emptied += 1
        instance.compute_log_manager.delete_logs(prefix=[run.run_id])
        # deleting a run opens its event file, which makes it again
        for path in _event_files(instance, run.run_id):
            path.unlink(missing_ok=True)
    freed += _remove_leftovers(instance, before)
    remove_old_check_evaluations(instance, before)
    return Pruned(removed, emptied, freed)


def _old_runs(instance: DagsterInstance, before: datetime) -> list[DagsterRun]:
    """Return our finished runs that were last changed before a moment, except the latest run of each job."""
    found: list[DagsterRun] = []
    cursor = None
    filters = RunsFilter(statuses=FINISHED, updated_before=before)
    while page := instance.get_run_records(filters, limit=PAGE, cursor=cursor):
        found += (each.dagster_run for each in page if _is_ours(each.dagster_run))
        cursor = page[-1].dagster_run.run_id
    jobs = {run.job_name for run in found}
    latest = {run.run_id for name in jobs for run in instance.get_runs(RunsFilter(job_name=name), limit=1)}
    return [run for run in found if run.run_id not in latest]


def _is_ours(run: DagsterRun) -> bool:
    return is_ours(run) or run.job_name == housekeeping.name


def _runs_shown(instance: DagsterInstance) -> set[str]:
    """Return the runs with the latest event of an asset, a partition or a check, by id."""
    storage = instance.event_log_storage
    found: set[str] = set()
    for asset in instance.get_asset_keys():
        found.update(_runs_of_latest_events(instance, asset))
        attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations(asset)
        found.update(run_id for run_id, _ in attempts.values())
        if planned := storage.get_latest_planned_materialization_info(asset):
            found.add(planned.run_id)
    checks = storage.get_latest_asset_check_execution_by_key(CHECK_KEYS)
    return found | {record.run_id for record in checks.values()}


def _runs_of_latest_events(instance: DagsterInstance, asset: AssetKey) -> Iterator[str]:
    storage = instance.event_log_storage
    kinds = (
        (DagsterEventType.ASSET_MATERIALIZATION, instance.fetch_materializations),
        (DagsterEventType.ASSET_OBSERVATION, instance.fetch_observations),
    )
    for kind, fetch in kinds:
        for record in fetch(AssetRecordsFilter(asset), limit=1).records:
            yield record.run_id
        ids = sorted(storage.get_latest_storage_id_by_partition(asset, kind).values())
        for start in range(0, len(ids), PAGE):
            some = AssetRecordsFilter(asset, storage_ids=ids[start : start + PAGE])
            for record in fetch(some, limit=PAGE).records:
                yield record.run_id


def _event_files(instance: DagsterInstance, run_id: str) -> list[Path]:
    """Return the SQLite file with the events of a run and those next to it; none in PostgreSQL."""
    return list((Path(instance.root_directory) / "history" / "runs").glob(f"{run_id}.db*"))


def _files_of(instance: DagsterInstance, run_id: str) -> list[Path]:
    logs = Path(instance.storage_directory()) / run_id
    return [*_event_files(instance, run_id), *(path for path in logs.rglob("*") if path.is_file())]


def _remove_leftovers(instance: DagsterInstance, before: datetime) -> int:
    """Remove event files of runs that do not exist any more, and old logs of sensors; return the freed bytes."""
    freed = 0
    for path in (Path(instance.root_directory) / "history" / "runs").glob(_RUN_FILES):
        if _is_older(path, before) and not instance.has_run(path.stem):
            # the process may have been killed between the two parts of a removal
            instance.event_log_storage.delete_events(path.stem)
            files = _event_files(instance, path.stem)
            freed += _size(files)
            for each in files:
                each.unlink(missing_ok=True)
    for path in list((Path(instance.storage_directory()) / "__repository__").rglob("*")):
        if path.is_file() and _is_older(path, before):
            freed += _size([path])
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other files are in it
                path.parent.rmdir()
    return freed


def _is_older(path: Path, moment: datetime) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC) < moment
    return False


def _size(paths: Iterable[Path]) -> int:
    total = 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


@op
def prune_runs(context: OpExecutionContext, pipeline: PipelineResource) -> None:  # noqa: ARG001  # the resource holds the lock that shows that the run is alive
    """Remove what old runs left in Dagster's storage."""
    with one_line_failures():
        keep = timedelta(days=LocalSettings.load().pso_keep_runs_days)
    context.log.info("%s", prune(context.instance, keep).describe())


@job(
    description="Remove the logs and events of runs older than PSO_KEEP_RUNS_DAYS, except those that the UI shows.",
    executor_def=in_process_executor,
    tags=MAX_RUNTIME_TAGS,
)
def housekeeping() -> None:
    """Remove what old runs left."""
    prune_runs()
