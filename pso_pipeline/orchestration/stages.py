"""The stages of a refresh that several machines execute: which runs follow when the runs of a stage have ended.

The sensor `refresh_stages` joins them. A run that failed or was killed ends its stage like any other, so that it stops
no other token. Runs of one refresh have one tag `pso/refresh_id`. Add here what decides which runs follow; how a run
joins the queue is in `queue`, and what it does in `shard_jobs`.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from pso_pipeline.orchestration.queue import Refresh, refresh_of, request_run
from pso_pipeline.orchestration.resources import PipelineResource
from pso_pipeline.orchestration.runs import REQUESTED_BY
from pso_pipeline.orchestration.shard_jobs import SHARD_JOBS
from pso_pipeline.orchestration.shards import (
    DERIVE,
    DISCOVER,
    REFRESH_TAG,
    SHARD_TAG,
    STAGES,
    SYNC,
    derive_shard,
    ranges_with,
    sync_shard,
)
from pso_pipeline.orchestration.steps import own_tokens
from pso_pipeline.orchestration.timetable import is_sharded
from pso_pipeline.settings import SettingsError
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.reading import EnterpriseRow, read_enterprises

STAGES_SECONDS = 5

WAREHOUSE_SECONDS = 5.0

FIRST_LOOK = timedelta(hours=1)
"""Without a cursor, refreshes that began within this time are found."""

LATE_RUNS = timedelta(minutes=1)
"""A run can appear in the storage so long after a run that was created later."""

PRIORITY_TAG = "dagster/priority"
"""Tag by which the queue orders runs: a later stage goes first, so that what was read is published."""


class Stages(msgspec.Struct, frozen=True):
    """The cursor: the stage of each refresh under way, those that ended lately, and when the latest run began."""

    reached: dict[str, str] = {}
    ended: frozenset[str] = frozenset()
    latest_utc: datetime | None = None


def plan_stage(
    stage: str, wanted: Refresh, enterprises: Collection[EnterpriseRow], tokens: Collection[str], ranges: int
) -> dict[str, Refresh]:
    """Return the shards of a stage, each with what it reads.

    `tokens` are the fingerprints of the access tokens. Hotels are divided into `ranges` ranges.
    """
    if stage == SYNC:
        return _plan_sync(wanted, enterprises, tokens)
    if stage == DERIVE:
        return {derive_shard(each): Refresh() for each in ranges_with(enterprises, wanted.keys, ranges)}
    return {stage: wanted if stage == DISCOVER else Refresh()}


def _plan_sync(wanted: Refresh, enterprises: Collection[EnterpriseRow], tokens: Collection[str]) -> dict[str, Refresh]:
    keys_of: dict[str, set[str]] = {token: set() for token in tokens}
    for each in enterprises:
        if each.is_in_scope and each.token_fingerprint in keys_of:
            keys_of[each.token_fingerprint].add(each.partition_key)
    planned = {}
    for token, keys in keys_of.items():
        read = keys if wanted.keys is None else keys & wanted.keys
        if read:
            chosen = None if read == keys else frozenset(read)
            planned[sync_shard(token)] = Refresh(chosen, wanted.look_back_days, wanted.full)
    return planned


def plan_now(
    pipeline: PipelineResource, stage: str, wanted: Refresh, wait_seconds: float | None = None
) -> dict[str, Refresh]:
    """Plan a stage with the hotels and the tokens that are known now.

    Raises:
        SettingsError: A setting is missing or malformed.
        WarehouseError: The warehouse cannot be read within `wait_seconds`.
    """
    settings = pipeline.settings()
    with pipeline.warehouse(wait_seconds).open() as connection:
        enterprises = read_enterprises(connection)
    return plan_stage(stage, wanted, enterprises, own_tokens(settings), settings.pso_hotel_ranges)


@sensor(
    jobs=list(SHARD_JOBS.values()),
    minimum_interval_seconds=STAGES_SECONDS,
    default_status=DefaultSensorStatus.RUNNING if is_sharded() else DefaultSensorStatus.STOPPED,
    description="Starts the next stage of a refresh that several machines execute. Used if PSO_SHARDED is 1.",
)
def refresh_stages(context: SensorEvaluationContext, pipeline: PipelineResource) -> SensorResult | SkipReason:
    """Find refreshes whose runs of a stage have ended, and request the runs of the next one."""
    known = decode_stages(context.cursor)
    found = find_refreshes(context.instance, known, datetime.now(UTC))
    requests: list[RunRequest] = []
    reached: dict[str, str] = {}
    ended = set(found.ended)
    try:
        for refresh_id, stage in found.reached.items():
            runs = _runs_of(context.instance, refresh_id)
            if not is_over(runs, stage):
                reached[refresh_id] = stage
                continue
            following, requested = _follow(context.instance, pipeline, runs, stage)
            requests += requested
            if following is None:
                ended.add(refresh_id)
            else:
                reached[refresh_id] = following
    except (SettingsError, WarehouseError) as error:
        return SkipReason(str(error))
    return SensorResult(
        run_requests=requests,
        skip_reason=None if requests else f"{len(reached)} refresh(es) under way",
        cursor=msgspec.json.encode(Stages(reached, frozenset(ended), found.latest_utc)).decode(),
    )


def find_refreshes(instance: DagsterInstance, known: Stages, now: datetime) -> Stages:
    """Add the refreshes that began since the last evaluation, at the last stage of which they have a run."""
    latest = known.latest_utc or now - FIRST_LOOK
    since, reached, seen = latest - LATE_RUNS, dict(known.reached), set[str]()
    for stage in STAGES:
        for record in instance.get_run_records(RunsFilter(job_name=stage, created_after=since)):
            latest = max(latest, record.create_timestamp)
            refresh_id = record.dagster_run.tags.get(REFRESH_TAG)
            if refresh_id is None:
                continue
            seen.add(refresh_id)
            if refresh_id not in known.reached and refresh_id not in known.ended:
                reached[refresh_id] = stage
    return Stages(reached, known.ended & seen, latest)


def is_over(runs: Sequence[DagsterRun], stage: str) -> bool:
    """Whether all runs of a stage have ended, however they ended."""
    return all(run.is_finished for run in runs if run.job_name == stage)


def _follow(
    instance: DagsterInstance, pipeline: PipelineResource, runs: Sequence[DagsterRun], stage: str
) -> tuple[str | None, list[RunRequest]]:
    """Return the next stage of a refresh, and the runs to request for it; None where nothing of it follows.

    Where runs of other refreshes wait that do the same, those refreshes go on instead of this one. A refresh whose
    first run was canceled is given up.
    """
    first = runs[-1]
    if first.job_name == DISCOVER and first.status is DagsterRunStatus.CANCELED:
        return None, []
    for following in STAGES[STAGES.index(stage) + 1 :]:
        planned = plan_now(pipeline, following, refresh_of(first) or Refresh(), WAREHOUSE_SECONDS)
        # the daemon may have been killed after it started some of them
        own = {run.tags.get(SHARD_TAG) for run in runs if run.job_name == following}
        requests = [
            request
            for shard, reads in planned.items()
            if shard not in own and (request := _request(instance, first, following, shard, reads))
        ]
        if planned:
            return (following, requests) if requests or own else (None, [])
    return None, []


def _request(instance: DagsterInstance, first: DagsterRun, stage: str, shard: str, reads: Refresh) -> RunRequest | None:
    refresh_id = first.tags[REFRESH_TAG]
    tags = {SHARD_TAG: shard, REFRESH_TAG: refresh_id, PRIORITY_TAG: str(STAGES.index(stage))}
    requested_by = first.tags.get(REQUESTED_BY, refresh_stages.name)
    # Dagster starts a run with a key once, also where it was killed between starting it and keeping the cursor
    return request_run(instance, stage, reads, requested_by, tags, run_key=f"{refresh_id} {shard}")


def _runs_of(instance: DagsterInstance, refresh_id: str) -> list[DagsterRun]:
    """Return the runs of a refresh, the latest first."""
    return list(instance.get_runs(RunsFilter(tags={REFRESH_TAG: refresh_id})))


def decode_stages(cursor: str | None) -> Stages:
    """Read the sensor's cursor; an empty one if another version wrote it."""
    try:
        return msgspec.json.decode(cursor or "{}", type=Stages)
    except msgspec.DecodeError:
        return Stages()
