"""The queue: at most one run of a shard, or one refresh, that a sensor or schedule requested waits in it.

If the waiting run covers a new request, nothing is added. Otherwise a new run replaces it and reads what both would
read. Runs that a person started are never replaced. Add here what decides whether a run is requested; what a run does
is in `jobs` and `shard_jobs`.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRequest, RunsFilter

from pso_pipeline.orchestration.jobs import full_resync, refresh
from pso_pipeline.orchestration.runs import REQUESTED_BY, live_runs
from pso_pipeline.orchestration.shards import DISCOVER, REFRESH_TAG, SHARD_TAG, SYNC
from pso_pipeline.settings import ShardSettings

READING_OPS = {
    refresh.name: "sync_orders",
    full_resync.name: "sync_orders",
    DISCOVER: "discover_hotels",
    SYNC: "sync_token",
}
"""The op of each job whose configuration says what is read. The other jobs of shards do all that there is to do."""

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
]
UNDER_WAY = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a refresh reads: partition keys, or None for every hotel in scope; days to look back; or all history."""

    keys: frozenset[str] | None = None
    look_back_days: float = 0
    full: bool = False

    def covers(self, other: "Refresh") -> bool:
        """Whether this reads everything that `other` reads."""
        has_all_keys = self.keys is None or (other.keys is not None and other.keys <= self.keys)
        return has_all_keys and self.look_back_days >= other.look_back_days and self.full >= other.full

    def merged_with(self, other: "Refresh") -> "Refresh":
        """Return a refresh that reads what both read."""
        keys = None if self.keys is None or other.keys is None else self.keys | other.keys
        return Refresh(keys, max(self.look_back_days, other.look_back_days), self.full or other.full)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on a request: the refresh to start, or None, and the ids of the waiting runs that it replaces."""

    request: Refresh | None
    replaced: tuple[str, ...] = ()


def decide_on_request(wanted: Refresh, waiting: Collection[tuple[str, Refresh]]) -> Decision:
    """Decide whether to start a refresh, and which of the waiting ones, by run id, it replaces."""
    if any(each.covers(wanted) for _, each in waiting):
        return Decision(None)
    for _, each in waiting:
        wanted = wanted.merged_with(each)
    return Decision(wanted, tuple(run_id for run_id, _ in waiting))


def request_refresh(
    instance: DagsterInstance, wanted: Refresh, requested_by: str, tags: Mapping[str, str] | None = None
) -> RunRequest | None:
    """Make the request for a refresh and cancel the waiting ones that it replaces; None if a waiting one covers it.

    `requested_by` is the name of the sensor or schedule; the run has it as a tag, next to `tags`. If `PSO_SHARDED` is
    set, the run is the first stage of the refresh.

    Raises:
        SettingsError: `PSO_SHARDED` is malformed.
    """
    if ShardSettings.load().pso_sharded:
        first = {SHARD_TAG: DISCOVER, REFRESH_TAG: uuid.uuid4().hex}
        return request_run(instance, DISCOVER, wanted, requested_by, {**first, **(tags or {})})
    return request_run(instance, refresh.name, wanted, requested_by, tags or {})


def request_run(
    instance: DagsterInstance,
    job_name: str,
    wanted: Refresh,
    requested_by: str,
    tags: Mapping[str, str],
    *,
    run_key: str | None = None,
) -> RunRequest | None:
    """Make the request for a run of a job, of one shard if `tags` name it, as `request_refresh` does."""
    shard = {SHARD_TAG: tags[SHARD_TAG]} if SHARD_TAG in tags else {}
    queued = instance.get_runs(RunsFilter(job_name=job_name, statuses=[DagsterRunStatus.QUEUED], tags=shard))
    waiting = [(run.run_id, asked) for run in queued if (asked := refresh_of(run)) is not None]
    decision = decide_on_request(wanted, waiting)
    for run_id in decision.replaced:
        instance.run_coordinator.cancel_run(run_id)
    if decision.request is None:
        return None
    config: dict[str, object] = {}
    if decision.request.keys is not None:
        config["enterprises"] = sorted(decision.request.keys)
    if decision.request.look_back_days:
        config["look_back_days"] = decision.request.look_back_days
    if decision.request.full:
        config["full"] = True
    return RunRequest(
        job_name=job_name,
        run_key=run_key,
        run_config={"ops": {READING_OPS[job_name]: {"config": config}}} if config else {},
        tags={REQUESTED_BY: requested_by, **tags},
    )


def is_busy(instance: DagsterInstance, job_name: str) -> bool:
    """Whether a run of the job waits or runs; a run whose process is dead does not count."""
    return bool(live_runs(instance, job_name, UNFINISHED))


def is_refreshing(instance: DagsterInstance, since: timedelta) -> bool:
    """Whether a refresh runs that was requested within `since`."""
    return bool(live_runs(instance, refresh.name, UNDER_WAY, created_after=datetime.now(UTC) - since))


def refresh_of(run: DagsterRun) -> Refresh | None:
    """Return what a run reads that a sensor or schedule requested; None for any other run."""
    run_config: Mapping[str, Any] = run.run_config
    op = READING_OPS.get(run.job_name, "")
    config = run_config.get("ops", {}).get(op, {}).get("config", {})
    is_known = config.keys() <= {"enterprises", "look_back_days", "full"} and run_config in (
        {},
        {"ops": {op: {"config": config}}},
    )
    if REQUESTED_BY not in run.tags or run.parent_run_id is not None or not is_known:
        return None
    keys = config.get("enterprises")
    return Refresh(frozenset(keys) if keys else None, config.get("look_back_days", 0), config.get("full", False))
