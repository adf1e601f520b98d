"""Signs of life: every minute a run of a shard shows that its process is alive, so that another machine sees its death.

On one machine the lock of `runs` shows a death at once. A sign is a counter in Dagster's storage. Whether it still
changes is judged by the clock of the machine that looks, since the clocks of machines differ.
"""

import contextlib
import itertools
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import msgspec
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from pso_pipeline.orchestration.runs import PROCESS_TAG
from pso_pipeline.orchestration.shards import SHARD_TAG

SIGN_SECONDS = 60.0

SILENT_AFTER = timedelta(minutes=5)
"""A run without a sign for so long is dead."""

MAX_PAUSE = timedelta(minutes=2)
"""After a longer pause between two looks the storage, or the one who looks, was away; all runs get the time again."""


class Sign(msgspec.Struct, frozen=True):
    """The last sign of a run, and when it was first seen, by the clock of the one who looked; aware and UTC."""

    value: str
    seen_utc: datetime


class Signs(msgspec.Struct, frozen=True):
    """The signs of runs by their ids, and when somebody looked last."""

    of_runs: dict[str, Sign] = {}
    looked_utc: datetime | None = None


@contextlib.contextmanager
def signs_of_life(instance: DagsterInstance, run: DagsterRun) -> Iterator[None]:
    """Show signs of life for the length of the block, if the run is of a shard."""
    if SHARD_TAG not in run.tags:
        yield
        return
    is_over = threading.Event()

    def show() -> None:
        for number in itertools.count():
            # the storage can be away for a while, and that must not end the run
            with contextlib.suppress(Exception):
                instance.daemon_cursor_storage.set_cursor_values({_key(run.run_id): str(number)})
            if is_over.wait(SIGN_SECONDS):
                return

    thread = threading.Thread(target=show, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def look_for_signs(instance: DagsterInstance, before: Signs, now: datetime) -> tuple[Signs, list[str]]:
    """Look at the signs of all runs that have a process; return them, and the ids of the runs that are dead."""
    unfinished = RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING])
    runs = [run for run in instance.get_runs(unfinished) if {SHARD_TAG, PROCESS_TAG} <= run.tags.keys()]
    keys = {_key(run.run_id) for run in runs}
    values = instance.daemon_cursor_storage.get_cursor_values(keys) if keys else {}
    was_away = before.looked_utc is None or now - before.looked_utc > MAX_PAUSE
    signs = {
        run.run_id: _following(before.of_runs, run.run_id, values.get(_key(run.run_id), ""), now, was_away=was_away)
        for run in runs
    }
    return Signs(signs, now), [run_id for run_id, sign in signs.items() if now - sign.seen_utc > SILENT_AFTER]


def _following(before: Mapping[str, Sign], run_id: str, value: str, now: datetime, *, was_away: bool) -> Sign:
    known = before.get(run_id)
    return known if known is not None and known.value == value and not was_away else Sign(value, now)


def decode_signs(cursor: str | None) -> Signs:
    """Read the sensor's cursor; an empty one if another version wrote it."""
    try:
        return msgspec.json.decode(cursor or "{}", type=Signs)
    except msgspec.DecodeError:
        return Signs()


def _key(run_id: str) -> str:
    return f"pso/alive/{run_id}"
