"""Shards: the parts of a refresh that runs on several machines execute, and the lease that each run of a shard holds.

A shard is the listing of hotels, one access token, a range of hotels, the checks, or the publication. The tag
`pso/shard` of a run names its shard. At most one run of a shard executes at a time. Add here what concerns shards as
such; what their runs do is in `shard_jobs`, and which run follows which in `stages`.
"""

import contextlib
import time
from collections.abc import Collection, Iterator

from dagster import DagsterInstance, DagsterRun, Failure

from pso_pipeline.orchestration.runs import PROCESS_TAG, end_dead_runs
from pso_pipeline.warehouse.marts.derive import HotelRange
from pso_pipeline.warehouse.reading import EnterpriseRow

SHARD_TAG = "pso/shard"
"""Tag of a run with its shard; `tag_concurrency_limits` of `dagster.yaml` lets one run of each execute."""

DISCOVER, SYNC, DERIVE, CHECK, PUBLISH = STAGES = ("discover", "sync", "derive", "check", "publish")
"""The stages of a refresh, in order. Each is a job of that name; discover, check and publish are one shard each."""

REFRESH_TAG = "pso/refresh_id"
"""Tag of a run of a shard with the refresh that it is a part of; the next stage follows it (`stages`)."""

CONCLUDED_TAG = "pso/concluded"
"""Tag of a run that did its work and failed at its end, because of hotels or tokens that failed."""

LEASE_SECONDS = 1.0
"""Pause between two attempts to take a lease."""

_SLOT = "run"


def sync_shard(fingerprint: str) -> str:
    """Name the shard of an access token."""
    return f"{SYNC}:{fingerprint}"


def derive_shard(hotels: HotelRange) -> str:
    """Name the shard of a range of hotels."""
    return f"{DERIVE}:{hotels.number} of {hotels.of}"


def fingerprint_of(run: DagsterRun) -> str:
    """Return the fingerprint of the access token that the run reads with.

    Raises:
        Failure: Its tag names none.
    """
    stage, _, fingerprint = run.tags.get(SHARD_TAG, "").partition(":")
    if stage != SYNC or not fingerprint:
        raise _without_shard(sync_shard("FINGERPRINT"))
    return fingerprint


def range_of(run: DagsterRun) -> HotelRange:
    """Return the range of hotels that the run computes.

    Raises:
        Failure: Its tag names none.
    """
    number, _, of = run.tags.get(SHARD_TAG, "").removeprefix(f"{DERIVE}:").partition(" of ")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise _without_shard(derive_shard(HotelRange(1, 4)))
    return HotelRange(int(number), int(of))


def ranges_with(enterprises: Collection[EnterpriseRow], keys: Collection[str] | None, of: int) -> list[HotelRange]:
    """Return the ranges that hold the hotels with these partition keys, or any hotel; there are `of` ranges."""
    chosen = [each.enterprise_id for each in enterprises if keys is None or each.partition_key in keys]
    ranges = [HotelRange(number, of) for number in range(1, of + 1)]
    return [each for each in ranges if any(map(each.has, chosen))]


@contextlib.contextmanager
def lease(instance: DagsterInstance, run: DagsterRun) -> Iterator[None]:
    """Hold the lease of the run's shard for the length of the block; wait while another run holds it.

    The queue lets one run of a shard execute, but `pso refresh` starts its runs itself, in the same instant perhaps. A
    lease is a slot of Dagster's storage. A run without a shard takes none.
    """
    shard, storage = run.tags.get(SHARD_TAG), instance.event_log_storage
    if shard is None or not storage.supports_global_concurrency_limits:
        yield
        return
    key = _slot_key(shard)
    storage.set_concurrency_slots(key, 1)
    try:
        while not storage.claim_concurrency_slot(key, run.run_id, _SLOT).is_claimed:
            # without a daemon nothing else frees the lease of a run whose process was killed
            end_dead_runs(instance, lambda each: SHARD_TAG in each.tags)
            time.sleep(LEASE_SECONDS)
        yield
    finally:
        storage.free_concurrency_slot_for_step(run.run_id, _SLOT)


def holder_of(instance: DagsterInstance, shard: str) -> str | None:
    """Describe the run that holds the lease of a shard; None if no run does."""
    for slot in instance.event_log_storage.get_concurrency_info(_slot_key(shard)).claimed_slots:
        run = instance.get_run_by_id(slot.run_id)
        if run is not None:
            return f"run {run.run_id} ({run.tags.get(PROCESS_TAG, 'its process is not known yet')})"
    return None


def _slot_key(shard: str) -> str:
    return f"{SHARD_TAG} {shard}"


def _without_shard(example: str) -> Failure:
    return Failure(f"start this job with the tag {SHARD_TAG}, for example {example}", allow_retries=False)
