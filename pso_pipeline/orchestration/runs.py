"""Runs whose process is dead: how they are found and marked as ended.

A killed process, or a machine that was switched off, leaves its run as started. Dagster's own monitoring does not find
such a run if its default launcher or no launcher started it. So each run holds a file lock while it executes; the
operating system releases the lock however the process ends. What is read again after that is decided in `recovery`.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter
from filelock import FileLock, Timeout

REQUESTED_BY = "pso/requested_by"
"""Tag of a run with the sensor or schedule that requested it."""

PROCESS_TAG = "pso/process"
"""Tag of a run with the process and the machine that execute it, for people."""

KILLED_TAG = "pso/killed"
"""Tag of a run that was marked as ended because its process was dead."""

MAX_RUNTIME = timedelta(hours=12)
"""Longest time of one run. The first read of a large group takes hours; the next run continues where one ended."""

UNFINISHED = (
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)
"""Statuses of a run that has, or should have, a process. A queued run has none yet."""

START_TOLERANCE = timedelta(minutes=1)
"""Time after Dagster's own start timeout at which a run that has no process counts as killed before it began."""

RELEASE_TIME = timedelta(minutes=1)
"""A run releases its lock shortly before its last event; it counts as dead only this long after the release."""

TERMINATION_TIME = timedelta(minutes=10)
"""Time after the maximum runtime in which Dagster terminates the process."""


@contextlib.contextmanager
def run_lock(instance: DagsterInstance, run: DagsterRun) -> Iterator[None]:
    """Hold the lock that shows that this process executes the run, for the length of the block.

    Raises:
        OSError: The file cannot be created below DAGSTER_HOME.
    """
    path = _lock_path(instance, run.run_id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(path):
        instance.add_run_tags(run.run_id, {PROCESS_TAG: f"PID {os.getpid()} on {socket.gethostname()}"})
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.touch()


def end_dead_runs(
    instance: DagsterInstance,
    is_ours: Callable[[DagsterRun], bool],
    now: datetime | None = None,
    silent: Collection[str] = (),
) -> list[DagsterRun]:
    """Mark our runs whose process is dead as failed, or as canceled if they were being canceled, and return them.

    Their slots in concurrency pools become free. `now` is aware. `silent` are the ids of runs on other machines that
    show no sign of life (`liveness`).
    """
    now = now or datetime.now(UTC)
    ended = []
    for record in instance.get_run_records(RunsFilter(statuses=list(UNFINISHED))):
        if not is_ours(record.dagster_run) and PROCESS_TAG not in record.dagster_run.tags:
            continue
        reason = _find_reason_to_end(instance, record, now)
        if reason is None and record.dagster_run.run_id in silent:
            process = record.dagster_run.tags.get(PROCESS_TAG, "its process")
            reason = f"{process} shows no sign of life: it was killed, or the machine was switched off"
        # the run may have ended by itself in the meantime
        run = instance.get_run_by_id(record.dagster_run.run_id)
        if reason is None or run is None or run.is_finished:
            continue
        instance.add_run_tags(run.run_id, {KILLED_TAG: "true"})
        if run.status is DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, reason)
        else:
            instance.report_run_failed(run, reason)
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        ended.append(run)
    _remove_old_locks(instance, now)
    return ended


def live_runs(
    instance: DagsterInstance, job: str, statuses: Sequence[DagsterRunStatus], created_after: datetime | None = None
) -> list[DagsterRun]:
    """Return the runs of a job in these statuses, except those whose process is dead or that took too long."""
    now = datetime.now(UTC)
    runs = RunsFilter(job_name=job, statuses=list(statuses), created_after=created_after)
    return [
        record.dagster_run
        for record in instance.get_run_records(runs)
        if record.dagster_run.status not in UNFINISHED or _find_reason_to_end(instance, record, now) is None
    ]


def start_timeout(instance: DagsterInstance) -> timedelta:
    """Return how long a run may have no process, by the setting `start_timeout_seconds` of `dagster.yaml`."""
    return timedelta(seconds=instance.run_monitoring_start_timeout_seconds) + START_TOLERANCE


def _find_reason_to_end(instance: DagsterInstance, record: RunRecord, now: datetime) -> str | None:
    """Return why a run that counts as started is dead; None if it is alive, or executed by another machine."""
    run = record.dagster_run
    started = datetime.fromtimestamp(record.start_time, UTC) if record.start_time else record.create_timestamp
    if now - started > MAX_RUNTIME + TERMINATION_TIME:
        return f"it took longer than {MAX_RUNTIME.total_seconds() / 3600:.0f} hours; the next run continues"
    path = _lock_path(instance, run.run_id)
    try:
        touched = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        if PROCESS_TAG in run.tags or now - record.update_timestamp < start_timeout(instance):
            return None
        return "its process ended before it began to work: it was killed, or the machine was switched off"
    if now - touched < RELEASE_TIME or _is_held(path):
        return None
    process = run.tags.get(PROCESS_TAG, "its process")
    return f"{process} was killed, or the machine was switched off; the next run continues"


def _is_held(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


def _remove_old_locks(instance: DagsterInstance, now: datetime) -> None:
    """Delete the lock files of runs that have ended."""
    for path in _lock_path(instance, "*").parent.glob("*.lock"):
        with contextlib.suppress(OSError):
            is_old = now - datetime.fromtimestamp(path.stat().st_mtime, UTC) > RELEASE_TIME
            run = instance.get_run_by_id(path.stem) if is_old else None
            if is_old and (run is None or run.is_finished):
                path.unlink()


def _lock_path(instance: DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory) / "processes" / f"{run_id}.lock"
