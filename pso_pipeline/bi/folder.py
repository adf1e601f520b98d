"""The folder in which the snapshot is published: which version is current, how it is replaced, what is removed.

    pso_bi.duckdb -> current/pso_bi.duckdb     the public names: links that are made once
    parquet       -> current/parquet
    semantic      -> current/semantic
    manifest.json -> current/manifest.json
    current       -> versions/<stamp>          the one link that each publication replaces
    versions/<stamp>/                          the current version and the one before
    versions/.building/                        the version that is being made
    report.html                                the report of the current version, written after it

One rename replaces all public names together. Reading needs no DuckDB and no lock. The content of a version
belongs to `snapshot.py`.
"""

import errno
import hashlib
import logging
import os
import re
import shutil
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pso_pipeline.bi.errors import NothingPublished, SnapshotNotWritten, SnapshotUnreadable
from pso_pipeline.bi.manifest import Manifest, PublishedFile, decode_manifest
from pso_pipeline.warehouse.rewriting import sync

DATABASE = "pso_bi.duckdb"
PARQUET = "parquet"
SEMANTIC = "semantic"
MANIFEST = "manifest.json"
PUBLIC_NAMES = (DATABASE, PARQUET, SEMANTIC, MANIFEST)

CURRENT = "current"
VERSIONS = "versions"
BUILDING = ".building"
LOCK = ".lock"

REPORT = "report.html"
"""The default place of the report: a file of its own, not a part of a version."""

CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK}
"""What a file system answers that has no hard links, not between these two places, or no more of them for this file."""

_STAMP_FORMAT = "%Y%m%dT%H%M%S.%fZ"
_STAMP = re.compile(r"\d{8}T\d{6}\.\d{6}Z")
_ATTEMPTS = 5
"""How often to follow the link: a version stays for one publication after the one that replaced it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One published version: its folder, which never changes, and its manifest.

    All its files belong together. It stays on disk until the second publication after it.
    """

    directory: Path
    manifest: Manifest

    @property
    def database(self) -> Path:
        """The DuckDB file; open it read-only."""
        return self.directory / DATABASE

    @property
    def is_complete(self) -> bool:
        """Whether every file of the manifest is there with its size."""
        return all(self.has(file) for file in self.manifest.files)

    def has(self, file: PublishedFile) -> bool:
        """Return whether a file of the manifest is there with its size."""
        try:
            return (self.directory / file.file).stat().st_size == file.bytes
        except OSError:  # it is gone, or the disk cannot read it
            return False


def current_snapshot(bi_dir: Path) -> Snapshot:
    """Find the snapshot that is published now.

    Raises:
        NothingPublished: There is none yet.
        SnapshotUnreadable: Its manifest cannot be read, or was not written by this pipeline.
    """
    for _ in range(_ATTEMPTS):
        try:
            path = (bi_dir / MANIFEST).resolve(strict=True)
            text = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise SnapshotUnreadable(f"{bi_dir / MANIFEST} cannot be read: {error}") from None
        return Snapshot(path.parent, decode_manifest(text, str(path)))
    raise NothingPublished(f"no snapshot has been published in {bi_dir} yet: run a refresh first")


def read_manifest(bi_dir: Path) -> Manifest:
    """Read the manifest of the current snapshot; raises as `current_snapshot` does."""
    return current_snapshot(bi_dir).manifest


def snapshot_path(bi_dir: Path) -> Path:
    """Find the current DuckDB file, by its own permanent name; raises as `current_snapshot` does."""
    return current_snapshot(bi_dir).database


def snapshot_before(bi_dir: Path) -> Snapshot | None:
    """Find the snapshot that the current one replaced; None where there is none, or it cannot be read."""
    current = current_name(bi_dir)
    before = [name for name in _stamps(bi_dir) if name < current] if current else []
    if not before:
        return None
    directory = bi_dir / VERSIONS / before[-1]
    manifest = directory / MANIFEST
    try:
        return Snapshot(directory, decode_manifest(manifest.read_bytes(), str(manifest)))
    except (OSError, SnapshotUnreadable):
        return None


def _stamps(bi_dir: Path) -> list[str]:
    """Name the versions in the folder, the oldest first."""
    return sorted(entry.name for entry in (bi_dir / VERSIONS).iterdir() if _STAMP.fullmatch(entry.name))


def current_name(bi_dir: Path) -> str | None:
    """Read the stamp that `current` points to; None before the first publication."""
    try:
        return Path((bi_dir / CURRENT).readlink()).name
    except FileNotFoundError:
        return None


def check_names(bi_dir: Path) -> None:
    """Make sure that each public name is free or a link, before any work is done.

    Raises:
        SnapshotNotWritten: Another file or folder has one of the names.
    """
    for name in (*PUBLIC_NAMES, CURRENT):
        path = bi_dir / name
        if os.path.lexists(path) and not path.is_symlink():
            raise SnapshotNotWritten(
                f"{path} is in the way, and it is not a link made by publishing: move it elsewhere"
            )


def instant_after(name: str | None) -> datetime:
    """Return the time, later than the version `name`: versions stay in order even if the clock was set back."""
    now = datetime.now(UTC)
    if name is None or not _STAMP.fullmatch(name):
        return now
    return max(now, datetime.strptime(name, _STAMP_FORMAT).replace(tzinfo=UTC) + timedelta(microseconds=1))


def stamp(instant: datetime) -> str:
    """Name a version by its instant of publication; names sort as instants do."""
    return instant.strftime(_STAMP_FORMAT)


def make_current(bi_dir: Path, name: str) -> None:
    """Make `name` the version that readers see, in one rename."""
    # a reader of DuckDB before 1.5 that opened the file for writing leaves its log here, and it would be replayed
    (bi_dir / f"{DATABASE}.wal").unlink(missing_ok=True)
    for public in PUBLIC_NAMES:
        _point(bi_dir, public, f"{CURRENT}/{public}")
    sync(bi_dir / VERSIONS)
    _point(bi_dir, CURRENT, f"{VERSIONS}/{name}")
    sync(bi_dir)


def clear(bi_dir: Path) -> None:
    """Remove the files of killed publications, and every version except the current one and the one before it."""
    versions, current = bi_dir / VERSIONS, current_name(bi_dir)
    stamps = _stamps(bi_dir)
    before = [name for name in stamps if current is not None and name < current]
    kept = {current, *before[-1:]}
    for name in (BUILDING, *(name for name in stamps if name not in kept)):
        try:
            shutil.rmtree(versions / name)
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.warning("%s could not be removed and stays until the next publication: %s", versions / name, error)


def keep_current_only(bi_dir: Path) -> None:
    """Remove every version except the current one; a reader that has an older one open continues to read it."""
    current = current_name(bi_dir)
    for name in _stamps(bi_dir):
        if name != current:
            shutil.rmtree(bi_dir / VERSIONS / name)


def seal(version: Path, file: str) -> PublishedFile:
    """Make a finished file permanent: onto the disk, read-only, described for the manifest.

    Read-only, because whoever opens a snapshot for writing locks every other reader out and may change it.
    """
    path = version / file
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        os.fsync(content.fileno())
        status = os.fstat(content.fileno())
        os.fchmod(content.fileno(), stat.S_IMODE(status.st_mode) & ~0o222)
    return PublishedFile(file=file, bytes=status.st_size, sha256=sha256)


def is_sealed(snapshot: Snapshot, file: PublishedFile) -> bool:
    """Return whether a file of a snapshot is as it was sealed; all of it is read."""
    try:
        with (snapshot.directory / file.file).open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    except OSError:  # it is gone, or the disk cannot read it
        return False


def link(source: Path, target: Path) -> None:
    """Put a sealed file into a second place as a hard link, or as a copy where the file system has none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in CANNOT_LINK:
            raise
        shutil.copyfile(source, target)
        seal(target.parent, target.name)


def sync_folders(version: Path) -> None:
    """Bring the names in a finished version's folders to the disk."""
    for directory, *_ in os.walk(version):
        sync(Path(directory))


def replace_file(path: Path, content: bytes) -> None:
    """Write a file next to its place and move it there in one rename."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _point(bi_dir: Path, name: str, target: str) -> None:
    link = bi_dir / name
    if link.is_symlink() and str(link.readlink()) == target:
        return
    building = bi_dir / VERSIONS / BUILDING
    building.mkdir(exist_ok=True)
    new = building / name
    new.symlink_to(target)
    new.replace(link)
