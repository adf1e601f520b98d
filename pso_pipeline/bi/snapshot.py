"""Publishing the BI snapshot: the marts as one DuckDB file, as Parquet files and a manifest, replaced in one rename.

The marts file is copied byte by byte under the writers' lock (`COPY FROM DATABASE` takes a hundred times as long), and
the rest is made from the copy, so that the pipeline goes on meanwhile. The layout of the folder and reading it stand in
`folder.py`, the manifest in `manifest.py`, Parquet in `parquet.py`, the detection of changes in `digests.py`.
"""

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout
from tenacity import RetryError, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from pso_pipeline.bi import folder
from pso_pipeline.bi.copying import copy_range
from pso_pipeline.bi.digests import digest_database, digest_tables, find_sources
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
from pso_pipeline.bi.manifest import Manifest, encode_manifest
from pso_pipeline.bi.parquet import take_over, write_tables
from pso_pipeline.contract.marts import MART_TABLES, SCHEMA_VERSION
from pso_pipeline.warehouse.errors import is_damage
from pso_pipeline.warehouse.marts.derive import is_complete
from pso_pipeline.warehouse.rewriting import sync
from pso_pipeline.warehouse.session import open_duckdb

PATIENCE_SECONDS = 900.0
"""How long to wait for a marts file that a stranger holds, or for another publication into the same folder."""

READABLE_STORAGE = (1, 0)
"""Newest DuckDB version whose storage format every driver in a BI tool reads."""

MADE_AGAIN = "remove it and run a refresh, which makes it again"

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


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication left behind.

    `is_new` is False where the marts are, to the last comment, those that were published already: that version stays
    current with its own `published_utc`. `rewritten` names the tables whose Parquet file was written; the others share
    theirs with the version before. `held_back` has a line for each hotel whose newest figures a check holds back.
    """

    snapshot: Snapshot
    is_new: bool
    rewritten: tuple[str, ...]
    held_back: tuple[str, ...] = ()


def publish(
    marts_path: Path,
    bi_dir: Path,
    *,
    marts_lock: contextlib.AbstractContextManager[object] | None = None,
    find_held_back: Callable[[], Mapping[str, str]] = dict,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Published:
    """Publish the marts for BI tools: readers see the snapshot before or this one, never a part.

    Nobody may write the marts file while it is copied: pass the lock that writers take as `marts_lock`, which is then
    held for the copy alone, or hold it around the call. This process must have no connection to the file. Publications
    into one folder wait for each other. Where this is killed, the snapshot before stays, and the next call clears up.

    `find_held_back` is called under that lock, right before the copy, and returns the hotels whose figures must not be
    published, by id, with the reason. Theirs stay as they were published last; the others are published.

    Raises:
        MartsBusy: Another program holds the marts file for longer than `patience_seconds`, or this process does.
        MartsUnusable: There are no marts, or not all of them, or BI tools could not read the file.
        SnapshotBusy: Another process publishes into the folder for longer than `patience_seconds`.
        SnapshotNotWritten: The disk is full, permission is missing, or something is in the way.
    """
    versions = bi_dir / folder.VERSIONS
    building = versions / folder.BUILDING
    with _failures_named(bi_dir):
        versions.mkdir(parents=True, exist_ok=True)
        with _only_publisher(versions / folder.LOCK, patience_seconds):
            folder.check_names(bi_dir)
            folder.clear(bi_dir)
            try:
                building.mkdir()
                with marts_lock or contextlib.nullcontext():
                    held_back = find_held_back()
                    _copy_marts(marts_path, building / folder.DATABASE, patience_seconds)
                return _publish_copy(building, bi_dir, marts_path, held_back)
            finally:
                folder.clear(bi_dir)


def _publish_copy(building: Path, bi_dir: Path, marts_path: Path, held_back: Mapping[str, str]) -> Published:
    """Make a version of the copy in `building`, and make it current unless it is what was published before."""
    before = _published_before(bi_dir)
    version = building / "version"
    (version / folder.PARQUET).mkdir(parents=True)
    database = (building / folder.DATABASE).rename(version / folder.DATABASE)
    with _missing_marts_named(marts_path):
        if held_back:
            with _open_copy(database, read_only=False) as copy:
                hold_back(copy, held_back, before.database if before else None)
        digests, content = _digest_copy(database, marts_path)
        with _open_copy(database) as copy:
            as_of_utc, never_read = copy.execute(SCOPE).fetchall()[0]
            held = copy.execute(HELD_BACK).fetchall()
    lines = tuple(_describe_held_back(*hotel) for hotel in held)
    if before and before.manifest.content_digest == content and before.is_whole:
        folder.make_current(bi_dir, before.directory.name)
        return Published(before, is_new=False, rewritten=(), held_back=lines)
    taken_over = {table.name: take_over(table, version, before, digests[table.name]) for table in MART_TABLES}
    rewritten = [table for table in MART_TABLES if not taken_over[table.name]]
    with ThreadPoolExecutor(max_workers=1) as beside:
        sealing = beside.submit(folder.seal, version, folder.DATABASE)
        written = write_tables(
            functools.partial(_open_copy, database), rewritten, version, digests, before=before, beside=beside
        )
        sealed = sealing.result()
    published_utc = folder.instant_after(folder.current_name(bi_dir))
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        as_of_utc=as_of_utc and as_of_utc.replace(tzinfo=UTC),
        published_utc=published_utc,
        database=sealed,
        content_digest=content,
        tables={name: table or written[name] for name, table in taken_over.items()},
        hotels_never_read=never_read,
        held_back={key: reason for key, reason, *_ in held},
    )
    (version / folder.MANIFEST).write_bytes(encode_manifest(manifest))
    folder.seal(version, folder.MANIFEST)
    sync(version / folder.PARQUET)
    sync(version)
    name = folder.stamp(published_utc)
    directory = version.rename(bi_dir / folder.VERSIONS / name)
    folder.make_current(bi_dir, name)
    return Published(Snapshot(directory.resolve(), manifest), is_new=True, rewritten=tuple(written), held_back=lines)


def _digest_copy(database: Path, marts_path: Path) -> tuple[dict[str, str], str]:
    """Make sure that BI tools can read the copy; return the digest of each table, by name, and that of the whole."""
    with _open_copy(database) as copy:
        _check_storage(copy, marts_path)
        if not is_complete(copy, database.stem):
            raise MartsUnusable(
                f"{marts_path} does not hold every hotel yet, since it is being made again: run a refresh"
            )
        sources = find_sources(copy)
    with _open_copy(database) as copy:
        digests = digest_tables(copy, sources)
        return digests, digest_database(copy, digests)


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
def _missing_marts_named(marts_path: Path) -> Iterator[None]:
    try:
        yield
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise MartsUnusable(f"{marts_path} does not hold all marts, run a refresh: {_line(error)}") from None
    except duckdb.Error as error:
        if not is_damage(error):
            raise
        raise MartsUnusable(f"{marts_path} is damaged ({_line(error)}): {MADE_AGAIN}") from None


def _published_before(bi_dir: Path) -> Snapshot | None:
    try:
        return folder.current_snapshot(bi_dir)
    except (NothingPublished, SnapshotUnreadable):
        return None


def _copy_marts(marts_path: Path, target: Path, patience_seconds: float) -> None:
    """Copy the marts file, everything that was committed to it included, while nobody else can open it."""
    if not marts_path.is_file():
        raise MartsUnusable(f"there are no marts at {marts_path}: run a refresh first")
    connection = _connect_patiently(marts_path, patience_seconds)
    # POSIX drops all of a process's locks on a file when any descriptor of it is closed: ours outlives DuckDB's
    with marts_path.open("rb", buffering=0) as source, connection, target.open("xb", buffering=0) as copy:
        connection.execute("CHECKPOINT")
        copy_range(source, 0, os.fstat(source.fileno()).st_size, copy)


def _connect_patiently(marts_path: Path, patience_seconds: float) -> duckdb.DuckDBPyConnection:
    patiently = Retrying(
        retry=retry_if_exception(_is_held_elsewhere),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        stop=stop_after_delay(patience_seconds),
    )
    try:
        # a configuration of its own, so that DuckDB does not share a connection that this process still has
        return patiently(duckdb.connect, str(marts_path), config={"threads": 1, "custom_user_agent": "publish"})
    except RetryError as error:
        raise MartsBusy(f"{marts_path} is held by another program: {_line(error.last_attempt.exception())}") from None
    except (duckdb.ConnectionException, duckdb.BinderException):
        raise MartsBusy(f"{marts_path} is open in this process itself: close it before publishing") from None
    except duckdb.Error as error:
        raise MartsUnusable(f"{marts_path} cannot be opened: {_line(error)}") from None


@contextlib.contextmanager
def _open_copy(database: Path, *, read_only: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_duckdb(database, spill=database.parent.with_name("spill"), read_only=read_only) as copy:
        # row groups of Parquet need not wait for each other
        copy.execute("SET preserve_insertion_order = false")
        yield copy


def _check_storage(copy: duckdb.DuckDBPyConnection, marts_path: Path) -> None:
    row = copy.execute(STORAGE_VERSION).fetchone()
    storage = str(row and row[0])
    version = re.match(r"v(\d+)\.(\d+)", storage)
    if version is None or (int(version[1]), int(version[2])) > READABLE_STORAGE:
        raise MartsUnusable(
            f"{marts_path} has storage format {storage}, which the DuckDB 1.0 in BI tools cannot read: {MADE_AGAIN}"
        )


@contextlib.contextmanager
def _only_publisher(lock_path: Path, patience_seconds: float) -> Iterator[None]:
    lock = FileLock(lock_path, timeout=patience_seconds)
    try:
        lock.acquire()
    except Timeout:
        raise SnapshotBusy(
            f"another process has been publishing for more than {patience_seconds:.0f} s (it holds {lock_path}): "
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
