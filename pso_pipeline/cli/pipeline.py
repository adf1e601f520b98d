"""The state of the whole pipeline for `pso status`: the publication, the API, the daemon and the free disk space.

Add a problem here that concerns the pipeline and not a single hotel. `status` prints it.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster import DagsterInstance, IntMetadataValue, RunsFilter

from pso_pipeline.bi.errors import NothingPublished, SnapshotError
from pso_pipeline.bi.folder import current_snapshot
from pso_pipeline.bi.manifest import Manifest
from pso_pipeline.cli.instance import InstanceUnusable, open_instance
from pso_pipeline.ingestion.causes import by_cause
from pso_pipeline.orchestration.asset_keys import SNAPSHOT
from pso_pipeline.orchestration.evaluations import read_api_problem
from pso_pipeline.orchestration.jobs import refresh
from pso_pipeline.orchestration.metadata import REQUESTS
from pso_pipeline.orchestration.outcomes import ENDED, read_last_outcome
from pso_pipeline.orchestration.shards import PUBLISH
from pso_pipeline.settings import LocalSettings
from pso_pipeline.warehouse.session import Warehouse

DAEMON_TOLERANCE = timedelta(minutes=5)
"""Dagster's daemon shows that it is alive every 30 seconds."""

RUNS_WITHOUT_DAEMON = 2
"""If this many refreshes ended since the daemon was last alive, something else starts them, such as cron."""

LEAST_ROOM = 1_000_000
"""Bytes that must be free on a disk."""


@dataclass(frozen=True, slots=True)
class PipelineState:
    """The state of the pipeline; times are aware and UTC.

    `daemon` is `alive`, `dead`, `replaced` (something else starts refreshes now) or `none` (it never ran). `requests`
    counts the requests for orders of the last refresh that is recorded with the snapshot.
    """

    problems: tuple[str, ...]
    published_utc: datetime | None
    as_of_utc: datetime | None
    daemon: str
    daemon_seen_utc: datetime | None
    requests: int | None = None


def read_pipeline(settings: LocalSettings, now: datetime) -> PipelineState:
    """Read the state of the publication, the last run and the daemon, without changing anything."""
    problems: list[str] = []
    manifest = None
    try:
        manifest = current_snapshot(settings.pso_bi_dir).manifest
    except NothingPublished:
        if settings.pso_bi_dir.exists() and not settings.pso_bi_dir.is_dir():
            problems.append(f"PSO_BI_DIR {settings.pso_bi_dir} is not a folder")
    except SnapshotError as error:
        problems.append(str(error))
    daemon, seen, requests = "none", None, None
    # a status creates no instance
    if (settings.dagster_home / "dagster.yaml").exists():
        try:
            with open_instance(settings.dagster_home) as instance:
                problems += _problems_of_runs(instance, settings, manifest)
                daemon, seen = _read_daemon(instance, now)
                requests = _read_requests(instance)
        except InstanceUnusable as error:
            problems.append(str(error))
    if daemon == "dead":
        problems.append(
            f"the daemon was last alive at {_shown(seen)}: schedules and sensors do nothing, start it again"
        )
    stale_after = timedelta(hours=settings.pso_stale_after_hours)
    if manifest is not None:
        problems += _problems_of_snapshot(manifest, now, stale_after)
    problems += _full_disks(settings)
    return PipelineState(
        tuple(dict.fromkeys(problems)),
        manifest.published_utc if manifest else None,
        manifest.as_of_utc if manifest else None,
        daemon,
        seen,
        requests,
    )


def _problems_of_runs(instance: DagsterInstance, settings: LocalSettings, manifest: Manifest | None) -> Iterator[str]:
    last = read_last_outcome(instance)
    if last is not None and last.problem is not None:
        since = f"since {_shown(manifest.published_utc)}" if manifest else "yet"
        yield f"nothing was published {since}: {last.problem.splitlines()[0]}"
    elif last is not None and manifest is None:
        yield f"nothing is published in {settings.pso_bi_dir}: run `pso refresh`"
    if (api := read_api_problem(instance)) is not None:
        yield f"the API does not answer: {api}"


def _problems_of_snapshot(manifest: Manifest, now: datetime, stale_after: timedelta) -> Iterator[str]:
    if manifest.as_of_utc is not None and now - manifest.as_of_utc > stale_after:
        yield f"the snapshot has the changes up to {_shown(manifest.as_of_utc)} only"
    for group in by_cause(manifest.held_back.items()):
        yield f"held back from the snapshot: {group.describe()}"


def _read_daemon(instance: DagsterInstance, now: datetime) -> tuple[str, datetime | None]:
    beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
    if not beats:
        return "none", None
    seen = datetime.fromtimestamp(max(beats), UTC)
    if now - seen <= DAEMON_TOLERANCE:
        return "alive", seen
    runs = [
        record
        for job_name in (refresh.name, PUBLISH)
        for record in instance.get_run_records(
            RunsFilter(job_name=job_name, statuses=ENDED, created_after=seen + DAEMON_TOLERANCE),
            limit=RUNS_WITHOUT_DAEMON,
        )
    ]
    return "replaced" if len(runs) >= RUNS_WITHOUT_DAEMON else "dead", seen


def _read_requests(instance: DagsterInstance) -> int | None:
    event = instance.get_latest_materialization_event(SNAPSHOT)
    found = event.asset_materialization.metadata.get(REQUESTS) if event and event.asset_materialization else None
    return found.value if isinstance(found, IntMetadataValue) else None


def storage_places(settings: LocalSettings) -> dict[str, Path]:
    """Return the folders in which the pipeline writes, by the setting that names each."""
    places = {"PSO_BI_DIR": settings.pso_bi_dir, "DAGSTER_HOME": settings.dagster_home}
    for folder in Warehouse.of(settings).folders:
        places.setdefault("PSO_WAREHOUSE", folder)
    return places


def _full_disks(settings: LocalSettings) -> Iterator[str]:
    for name, path in storage_places(settings).items():
        if path.is_dir() and shutil.disk_usage(path).free < LEAST_ROOM:
            yield f"the disk of {name} {path} is full: make room"


def _shown(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
