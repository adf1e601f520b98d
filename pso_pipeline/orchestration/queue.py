"""What is waiting and under way, and how a refresh joins it, so that runs do not pile up behind each other.

One refresh of ours waits at most. A request that the waiting one covers adds nothing; any other replaces it and does
its work too. Runs that a person asked for are never replaced.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRequest, RunsFilter

from pso_pipeline.orchestration.jobs import refresh
from pso_pipeline.orchestration.runs import living_runs

REQUESTED_BY = "pso/requested_by"
"""Tag of a run: which sensor or schedule asked for it."""

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
]
UNDER_WAY = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a refresh reads: the partition keys, None for every hotel in scope, how many days back, or all history."""

    keys: frozenset[str] | None = None
    look_back_days: float = 0
    full: bool = False

    def covers(self, other: "Wanted") -> bool:
        """Whether this reads all that `other` would."""
        has_all_keys = self.keys is None or (other.keys is not None and other.keys <= self.keys)
        return has_all_keys and self.look_back_days >= other.look_back_days and self.full >= other.full

    def joined_with(self, other: "Wanted") -> "Wanted":
        """What reads as much as both."""
        keys = None if self.keys is None or other.keys is None else self.keys | other.keys
        return Wanted(keys, max(self.look_back_days, other.look_back_days), self.full or other.full)


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a request: what to read, None where the queue covers it, and the waiting runs it replaces."""

    request: Wanted | None
    replaced: tuple[str, ...] = ()


def decide_on_request(wanted: Wanted, waiting: Collection[tuple[str, Wanted]]) -> Decision:
    """Request a refresh, unless one that waits covers it; waiting ones, by run id, are replaced by one for all."""
    if any(each.covers(wanted) for _, each in waiting):
        return Decision(None)
    for _, each in waiting:
        wanted = wanted.joined_with(each)
    return Decision(wanted, tuple(run_id for run_id, _ in waiting))


def request_refresh(
    instance: DagsterInstance, wanted: Wanted, requested_by: str, tags: Mapping[str, str] | None = None
) -> RunRequest | None:
    """Make the request for a refresh and take out of the queue what it replaces; None where a waiting one will do.

    `requested_by` is the name of the sensor or schedule, which the run bears as a tag beside `tags`.
    """
    queued = instance.get_runs(RunsFilter(job_name=refresh.name, statuses=[DagsterRunStatus.QUEUED]))
    waiting = [(run.run_id, asked) for run in queued if (asked := wanted_by(run)) is not None]
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
        job_name=refresh.name,
        run_config={"ops": {"sync_orders": {"config": config}}} if config else {},
        tags={REQUESTED_BY: requested_by, **(tags or {})},
    )


def is_busy(instance: DagsterInstance, job_name: str) -> bool:
    """Whether a run of the job is waiting or under way; one whose process is dead is not."""
    return bool(living_runs(instance, job_name, UNFINISHED))


def is_refreshing(instance: DagsterInstance, since: timedelta) -> bool:
    """Whether a refresh is under way that was asked for no longer ago than `since`."""
    return bool(living_runs(instance, refresh.name, UNDER_WAY, created_after=datetime.now(UTC) - since))


def wanted_by(run: DagsterRun) -> Wanted | None:
    """Tell what a run reads that a sensor or schedule asked for; None for any other, which is left alone."""
    run_config: Mapping[str, Any] = run.run_config
    config = run_config.get("ops", {}).get("sync_orders", {}).get("config", {})
    is_known = config.keys() <= {"enterprises", "look_back_days", "full"} and run_config in (
        {},
        {"ops": {"sync_orders": {"config": config}}},
    )
    if REQUESTED_BY not in run.tags or run.parent_run_id is not None or not is_known:
        return None
    keys = config.get("enterprises")
    return Wanted(frozenset(keys) if keys else None, config.get("look_back_days", 0), config.get("full", False))
