"""Signs of life: a run shows regularly that its process is alive, so that another machine sees its death.

On one machine the lock of `runs` shows a death at once. A sign is a counter in Dagster's storage. Whether it still
changes is judged by the clock of the machine that looks, since the clocks of machines differ. Runs of shards show
signs, and all others too where several machines execute runs.
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
from pso_pipeline.settings import SettingsError, ShardSettings

SIGNS = 5
"""The number of signs in the time after which a run without one is dead."""

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
    """Show signs of life for the length of the block, unless the run is one of a single machine."""
    settings = _read_settings()
    if SHARD_TAG not in run.tags and not settings.pso_sharded:
        yield
        return
    is_over, pause = threading.Event(), settings.pso_silent_seconds / SIGNS

    def show() -> None:
        for number in itertools.count():
            # the storage can be away for a while, and that must not end the run
            with contextlib.suppress(Exception):
                instance.daemon_cursor_storage.set_cursor_values({_key(run.run_id): str(number)})
            if is_over.wait(pause):
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
    executed = [run for run in instance.get_runs(unfinished) if PROCESS_TAG in run.tags]
    keys = {_key(run.run_id) for run in executed}
    values = instance.daemon_cursor_storage.get_cursor_values(keys) if keys else {}
    runs = [run for run in executed if SHARD_TAG in run.tags or _key(run.run_id) in values]
    was_away = before.looked_utc is None or now - before.looked_utc > MAX_PAUSE
    signs = {
        run.run_id: _following(before.of_runs, run.run_id, values.get(_key(run.run_id), ""), now, was_away=was_away)
        for run in runs
    }
    silent_after = timedelta(seconds=_read_settings().pso_silent_seconds)
    return Signs(signs, now), [run_id for run_id, sign in signs.items() if now - sign.seen_utc > silent_after]


def _read_settings() -> ShardSettings:
    """Read the settings, or take the defaults: what is malformed is logged when the code location loads."""
    try:
        return ShardSettings.load()
    except SettingsError:
        return ShardSettings.model_construct()


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
