"""Publishing the BI snapshot: the marts as one DuckDB file, as Parquet files and a manifest, replaced in one rename.

Holds the order of the steps and what may go wrong with the marts. The marts file is copied byte by byte, the marts of a
lake table by table, under the writers' lock, and everything else is made from the copy, so that the pipeline goes on
meanwhile. The layout of the folder belongs to `folder.py`, the manifest to `manifest.py`, Parquet and versions to
`parquet.py`, hotels that are not published to `holding_back.py`, the files of the semantic models to `semantic/`.
"""

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout
from tenacity import RetryError, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from pso_pipeline.bi import folder
from pso_pipeline.bi.errors import (
    MartsBusy,
    MartsUnusable,
    NothingPublished,
    SnapshotBusy,
    SnapshotNotWritten,
    SnapshotUnreadable,
)
from pso_pipeline.bi.folder import Snapshot
from pso_pipeline.bi.holding_back import hold_back
from pso_pipeline.bi.manifest import Manifest, PublishedFile, encode_manifest
from pso_pipeline.bi.parquet import read_versions, write_tables
from pso_pipeline.bi.semantic.committed import committed_models
from pso_pipeline.contract.marts import DIM_ENTERPRISES, MART_TABLES, SCHEMA_VERSION
from pso_pipeline.warehouse.errors import is_damage
from pso_pipeline.warehouse.marts.copying import copy_marts
from pso_pipeline.warehouse.marts.derive import is_complete
from pso_pipeline.warehouse.session import Warehouse, open_duckdb
from pso_pipeline.warehouse.sql import first_row

LONGEST_WAIT_SECONDS = 900.0
"""How long to wait for a marts file that another program holds, or for another publication into the same folder."""

READABLE_STORAGE = (1, 0)
"""Newest DuckDB version whose storage format every driver in a BI tool reads."""

RECOMPUTE = "remove it and run a refresh, which makes it again"

SCOPE = """
    SELECT
        min(as_of_utc) FILTER (WHERE is_in_scope),
        count(*) FILTER (WHERE is_in_scope AND as_of_utc IS NULL AND is_held_back IS DISTINCT FROM TRUE)
    FROM mart.dim_enterprises
"""
HELD_BACK = """
    SELECT
        coalesce(partition_key, enterprise_id),
        held_back_reason,
        as_of_utc,
        enterprise_id IN (SELECT enterprise_id FROM mart.fct_product_service_orders)
    FROM mart.dim_enterprises WHERE is_held_back ORDER BY ALL
"""
STORAGE_VERSION = "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = current_database()"

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'mart'"


@dataclass(frozen=True, slots=True)
class Published:
    """The outcome of a publication.

    `is_new` is False where nothing changed since the last publication: that version stays current with its own
    `published_utc`. `rewritten` names the tables of which Parquet files were written; the others share theirs with the
    version before. `held_back` has a line for each hotel whose newest figures a check holds back.
    """

    snapshot: Snapshot
    is_new: bool
    rewritten: tuple[str, ...]
    held_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _HeldBack:
    """Hotels that a check holds back: for each, by its id, the reason and the snapshot that its figures are from."""

    reasons: Mapping[str, str]
    since: Mapping[str, str]


def publish(
    marts: Path | Warehouse,
    bi_dir: Path,
    *,
    marts_lock: contextlib.AbstractContextManager[object] | None = None,
    find_held_back: Callable[[], Mapping[str, str]] = dict,
    wait_seconds: float = LONGEST_WAIT_SECONDS,
) -> Published:
    """Publish the marts for BI tools: readers see the snapshot before or this one, never a part.

    `marts` is the marts file, or the lake that has them. Nobody may write them while they are copied: pass the lock
    that writers take as `marts_lock`, which is then held for the copy alone, or hold it around the call. This process
    must have no connection to the file. Publications into one folder wait for each other. If this process is killed,
    the snapshot before stays, and the next call clears up.

    `find_held_back` is called under that lock, right before the copy, and returns the hotels whose figures must not be
    published, by id, with the reason. Their last published figures stay; the others are published.

    Raises:
        MartsBusy: Another program holds the marts file for longer than `wait_seconds`, or this process does.
        MartsUnusable: There are no marts, or not all of them, or BI tools could not read the file.
        SnapshotBusy: Another process publishes into the folder for longer than `wait_seconds`.
        SnapshotNotWritten: The disk is full, permission is missing, or something is in the way.
    """
    versions = bi_dir / folder.VERSIONS
    building = versions / folder.BUILDING
    with _failures_named(bi_dir):
        versions.mkdir(parents=True, exist_ok=True)
        with _only_publisher(versions / folder.LOCK, wait_seconds):
            folder.check_names(bi_dir)
            folder.clear(bi_dir)
            before = _published_before(bi_dir)
            try:
                building.mkdir()
                with marts_lock or contextlib.nullcontext():
                    held_back = _since(find_held_back(), before)
                    is_copied = _copy_changed_marts(marts, building, held_back, before, wait_seconds)
                if before is None or is_copied:
                    return _publish_copy(building, bi_dir, _shown(marts), held_back, before)
                folder.make_current(bi_dir, before.directory.name)
                with _open(before.database, building / "spill", read_only=True) as snapshot:
                    lines = _held_back_lines(snapshot)
                return Published(before, is_new=False, rewritten=(), held_back=lines)
            finally:
                folder.clear(bi_dir)


def _since(reasons: Mapping[str, str], before: Snapshot | None) -> _HeldBack:
    """Find out which snapshot the figures of each hotel are from: the one before, or the one that those were from."""
    if before is None:
        return _HeldBack(reasons, dict.fromkeys(reasons, "none"))
    earlier = before.manifest.held_back_since
    return _HeldBack(reasons, {hotel: earlier.get(hotel, before.directory.name) for hotel in reasons})


def _read_versions(marts: duckdb.DuckDBPyConnection, held_back: _HeldBack) -> dict[str, dict[str, str]]:
    """Read the version of each table and month, which depends on the hotels that are held back as well."""
    versions = read_versions(marts)
    if held_back.reasons:
        figures, reasons = _digest(held_back.since), _digest(held_back.reasons)
        for table, files in versions.items():
            added = f"{figures}.{reasons}" if table == DIM_ENTERPRISES.name else figures
            files.update({file: f"{version}.{added}" for file, version in files.items() if version})
    return versions


def _digest(value: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(value.items())).encode()).hexdigest()[:16]


def _flat(versions: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {path: version for of_table in versions.values() for path, version in of_table.items()}


def _shown(marts: Path | Warehouse) -> str:
    return str(marts) if isinstance(marts, Path) else marts.shown_location


def _copy_changed_marts(
    marts: Path | Warehouse, building: Path, held_back: _HeldBack, before: Snapshot | None, wait_seconds: float
) -> bool:
    """Copy the marts, with everything that was committed to them, while nobody else can write them.

    Returns False, and copies nothing, where the snapshot before has the same versions and all its files.
    """
    if isinstance(marts, Path):
        return _copy_changed_file(marts, building, held_back, before, wait_seconds)
    with _missing_marts_named(_shown(marts)), marts.open_held() as connection:
        if _is_published(connection, held_back, before):
            return False
        unchanged = set() if held_back.reasons else _find_unchanged(connection, before)
        copy_marts(connection, building / folder.DATABASE, before.database if before and unchanged else None, unchanged)
    return True


def _find_unchanged(marts: duckdb.DuckDBPyConnection, before: Snapshot | None) -> set[str]:
    """Name the tables whose rows are those in the file of the snapshot before; none where that is damaged.

    The figures of a hotel that was held back there are not those of the marts.
    """
    if before is None or before.manifest.held_back_since or not folder.is_sealed(before, before.manifest.database):
        return set()
    then = {name: {file.file: file.version for file in table.files} for name, table in before.manifest.tables.items()}
    now = read_versions(marts)
    return {name for name, files in now.items() if files and all(files.values()) and files == then.get(name)}


def _is_published(marts: duckdb.DuckDBPyConnection, held_back: _HeldBack, before: Snapshot | None) -> bool:
    if before is None or before.manifest.schema_version != SCHEMA_VERSION or not before.is_complete:
        return False
    if {file.file: file.sha256 for file in before.manifest.semantic} != _digests(_semantic_files()):
        return False
    versions = _flat(_read_versions(marts, held_back))
    return all(versions.values()) and versions == before.manifest.versions


def _copy_changed_file(
    marts_path: Path, building: Path, held_back: _HeldBack, before: Snapshot | None, wait_seconds: float
) -> bool:
    if not marts_path.is_file():
        raise MartsUnusable(f"there are no marts at {marts_path}: run a refresh first")
    connection = _connect_when_free(marts_path, wait_seconds)
    # POSIX drops all of a process's locks on a file when any descriptor of it is closed: ours outlives DuckDB's
    with (
        _missing_marts_named(str(marts_path)),
        marts_path.open("rb") as source,
        connection,
        (building / folder.DATABASE).open("xb") as copy,
    ):
        if _is_published(connection, held_back, before):
            return False
        connection.execute("CHECKPOINT")
        shutil.copyfileobj(source, copy, 1 << 20)
    return True


def _publish_copy(building: Path, bi_dir: Path, marts: str, held_back: _HeldBack, before: Snapshot | None) -> Published:
    """Make a version of the copy in `building`, and make it current."""
    version = building / "version"
    (version / folder.PARQUET).mkdir(parents=True)
    database = (building / folder.DATABASE).rename(version / folder.DATABASE)
    with (
        _missing_marts_named(marts),
        _open(database, building / "spill", read_only=not held_back.reasons) as copy,
    ):
        _check_usable(copy, database, marts)
        if held_back.reasons and not hold_back(copy, held_back.reasons, before.database if before else None):
            held_back = _HeldBack(held_back.reasons, dict.fromkeys(held_back.reasons, "none"))
        as_of_utc, never_read = copy.execute(SCOPE).fetchall()[0]
        lines = _held_back_lines(copy)
        hotels = copy.execute(HELD_BACK).fetchall()
        versions = _read_versions(copy, held_back)
        tables, rewritten = write_tables(copy, versions, version, before)
    published_utc = folder.instant_after(folder.current_name(bi_dir))
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        as_of_utc=as_of_utc and as_of_utc.replace(tzinfo=UTC),
        published_utc=published_utc,
        database=folder.seal(version, folder.DATABASE),
        tables=tables,
        hotels_never_read=never_read,
        held_back={key: reason for key, reason, *_ in hotels},
        held_back_since=dict(held_back.since),
        semantic=tuple(_write_semantic_files(version, before)),
    )
    (version / folder.MANIFEST).write_bytes(encode_manifest(manifest))
    folder.seal(version, folder.MANIFEST)
    folder.sync_folders(version)
    name = folder.stamp(published_utc)
    directory = version.rename(bi_dir / folder.VERSIONS / name)
    folder.make_current(bi_dir, name)
    return Published(Snapshot(directory.resolve(), manifest), is_new=True, rewritten=rewritten, held_back=lines)


def _semantic_files() -> dict[str, bytes]:
    return {f"{folder.SEMANTIC}/{path}": content for path, content in committed_models().items()}


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


def _write_semantic_files(version: Path, before: Snapshot | None) -> Iterator[PublishedFile]:
    """Write the files of the semantic models; those that the snapshot before has too are linked."""
    kept = {file.file: file for file in before.manifest.semantic if before.has(file)} if before else {}
    files = _semantic_files()
    for path, digest in _digests(files).items():
        if before and path in kept and kept[path].sha256 == digest:
            folder.link(before.directory / path, version / path)
            yield kept[path]
        else:
            (version / path).parent.mkdir(parents=True, exist_ok=True)
            (version / path).write_bytes(files[path])
            yield folder.seal(version, path)


def _check_usable(copy: duckdb.DuckDBPyConnection, database: Path, marts: str) -> None:
    """Make sure that BI tools can read the copy, and that it holds every hotel."""
    (storage,) = first_row(copy, STORAGE_VERSION) or (None,)
    number = re.match(r"v(\d+)\.(\d+)", str(storage))
    if number is None or (int(number[1]), int(number[2])) > READABLE_STORAGE:
        raise MartsUnusable(
            f"{marts} has storage format {storage}, which the DuckDB 1.0 in BI tools cannot read: {RECOMPUTE}"
        )
    stored = {name for (name,) in copy.execute(TABLES).fetchall()}
    for table in MART_TABLES:
        if table.name not in stored:
            raise MartsUnusable(f"{marts} does not hold all marts, run a refresh: {table.name} is missing")
    if not is_complete(copy, database.stem):
        raise MartsUnusable(f"{marts} does not hold every hotel yet, because it is being rebuilt: run a refresh")


def _held_back_lines(snapshot: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    return tuple(_describe_held_back(*hotel) for hotel in snapshot.execute(HELD_BACK).fetchall())


def _describe_held_back(key: str, reason: str, as_of_utc: datetime | None, has_orders: bool) -> str:
    stays = (
        f"its figures as of {as_of_utc:%Y-%m-%d %H:%M:%S} UTC stay"
        if as_of_utc
        else "its last published figures stay"
        if has_orders
        else "it has no earlier figures"
    )
    return f"{key} is not published, {stays}: {reason}"


@contextlib.contextmanager
def _missing_marts_named(marts: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise MartsUnusable(f"{marts} does not hold all marts, run a refresh: {_line(error)}") from None
    except duckdb.Error as error:
        if not is_damage(error):
            raise
        raise MartsUnusable(f"{marts} is damaged ({_line(error)}): {RECOMPUTE}") from None


def _published_before(bi_dir: Path) -> Snapshot | None:
    try:
        return folder.current_snapshot(bi_dir)
    except (NothingPublished, SnapshotUnreadable):
        return None


_OPEN_HERE = (
    duckdb.ConnectionException,
    duckdb.BinderException,
    # DuckDB 2 raises it instead of a BinderException
    getattr(duckdb, "ResourceInUseException", duckdb.BinderException),
)
"""The errors of DuckDB if the same process has the file open."""


def _connect_when_free(marts_path: Path, wait_seconds: float) -> duckdb.DuckDBPyConnection:
    retrying = Retrying(
        retry=retry_if_exception(_is_held_elsewhere),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        stop=stop_after_delay(wait_seconds),
    )
    try:
        # a configuration of its own, so that DuckDB does not share a connection that this process still has
        return retrying(duckdb.connect, str(marts_path), config={"threads": 1, "custom_user_agent": "publish"})
    except RetryError as error:
        raise MartsBusy(f"{marts_path} is held by another program: {_line(error.last_attempt.exception())}") from None
    except _OPEN_HERE:
        raise MartsBusy(f"{marts_path} is open in this process itself: close it before publishing") from None
    except duckdb.Error as error:
        raise MartsUnusable(f"{marts_path} cannot be opened: {_line(error)}") from None


@contextlib.contextmanager
def _open(database: Path, spill: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_duckdb(database, spill=spill, read_only=read_only) as connection:
        # rows of Parquet files are in no promised order, so that row groups need not wait for each other
        connection.execute("SET preserve_insertion_order = false")
        yield connection


@contextlib.contextmanager
def _only_publisher(lock_path: Path, wait_seconds: float) -> Iterator[None]:
    lock = FileLock(lock_path, timeout=wait_seconds)
    try:
        lock.acquire()
    except Timeout:
        raise SnapshotBusy(
            f"another process has been publishing for more than {wait_seconds:.0f} s (it holds {lock_path}): "
            "wait until it ends, or end it"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _failures_named(bi_dir: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, duckdb.Error) as error:
        raise SnapshotNotWritten(
            f"nothing was published in {bi_dir}, and what was published before stays: {_line(error)}"
        ) from error


def _is_held_elsewhere(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "Could not set lock" in str(error)


def _line(error: BaseException | None) -> str:
    return str(error).splitlines()[0]
