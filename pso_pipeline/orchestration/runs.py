"""Runs whose process is dead: how a run shows that it lives, and how others end it where it no longer does.

A process that was killed, or a machine that was switched off, leaves its run as under way. Dagster's own monitoring
does not find these where its default launcher or no launcher at all started them. So each run of ours holds a file
lock for as long as it is executed, which the operating system frees however the process ends.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter
from filelock import FileLock, Timeout

PROCESS_TAG = "pso/process"
"""Tag of a run: which process on which machine executes it, for people."""

KILLED_TAG = "pso/killed"
"""Tag of a run that was ended here, because its process was dead."""

MAX_RUNTIME = timedelta(hours=12)
"""For one run: the first read of a large group takes hours, and the next run continues where one was ended."""

UNFINISHED = (
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)
"""A queued run waits for the daemon, and has no process yet."""

SILENCE = timedelta(minutes=4)
"""A run without a process for longer than this was killed before it began; Dagster gives it 3 minutes to start."""

ENDING = timedelta(minutes=1)
"""A run releases its lock just before its last event."""

TERMINATING = timedelta(minutes=10)
"""Beyond the maximum runtime, for Dagster to terminate the process too."""


@contextlib.contextmanager
def showing_life(instance: DagsterInstance, run: DagsterRun) -> Iterator[None]:
    """Show that the run is executed by this process, for the length of the block.

    Raises:
        OSError: The file cannot be made below DAGSTER_HOME.
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
    instance: DagsterInstance, is_ours: Callable[[DagsterRun], bool], now: datetime | None = None
) -> list[DagsterRun]:
    """Report runs of ours as failed (canceled, where that was asked for) whose process is dead.

    Frees their slots in pools, and returns them. `now` is aware.
    """
    now = now or datetime.now(UTC)
    ended = []
    for record in instance.get_run_records(RunsFilter(statuses=list(UNFINISHED))):
        if not is_ours(record.dagster_run) and PROCESS_TAG not in record.dagster_run.tags:
            continue
        reason = _reason_to_end(instance, record, now)
        # it may have ended by itself meanwhile
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


def living_runs(
    instance: DagsterInstance, job: str, statuses: Sequence[DagsterRunStatus], created_after: datetime | None = None
) -> list[DagsterRun]:
    """List the runs of a job in these statuses, without those whose process is dead or that took too long."""
    now = datetime.now(UTC)
    runs = RunsFilter(job_name=job, statuses=list(statuses), created_after=created_after)
    return [
        record.dagster_run
        for record in instance.get_run_records(runs)
        if record.dagster_run.status not in UNFINISHED or _reason_to_end(instance, record, now) is None
    ]


def _reason_to_end(instance: DagsterInstance, record: RunRecord, now: datetime) -> str | None:
    """Say why a run that counts as under way is not; None where it is, or where another machine knows."""
    run = record.dagster_run
    started = datetime.fromtimestamp(record.start_time, UTC) if record.start_time else record.create_timestamp
    if now - started > MAX_RUNTIME + TERMINATING:
        return f"it took longer than {MAX_RUNTIME.total_seconds() / 3600:.0f} hours; the next run continues"
    path = _lock_path(instance, run.run_id)
    try:
        touched = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        if PROCESS_TAG in run.tags or now - record.update_timestamp < SILENCE:
            return None
        return "its process ended before it began to work: killed, or the machine was switched off"
    if now - touched < ENDING or _is_held(path):
        return None
    process = run.tags.get(PROCESS_TAG, "its process")
    return f"{process} ended without saying so: killed, or the machine was switched off; the next run continues"


def _is_held(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


def _remove_old_locks(instance: DagsterInstance, now: datetime) -> None:
    """Remove the files of runs that have ended."""
    for path in _lock_path(instance, "*").parent.glob("*.lock"):
        with contextlib.suppress(OSError):
            is_old = now - datetime.fromtimestamp(path.stat().st_mtime, UTC) > ENDING
            run = instance.get_run_by_id(path.stem) if is_old else None
            if is_old and (run is None or run.is_finished):
                path.unlink()


def _lock_path(instance: DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory) / "processes" / f"{run_id}.lock"
