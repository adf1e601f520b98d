"""The store of one machine: an SQLite file for each token, in a folder that the processes of a user share.

The end of a pause is the modification time of a file. Times are those of the machine's clock.
"""

import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import cast

import filelock
from pyrate_limiter import AbstractBucket, Rate, SQLiteBucket

from pso_pipeline.mews.clock import Clock
from pso_pipeline.mews.limiter.store import LimiterStore, LimiterUnusable, TokenCounter, TokenState, use_up

_LOG = logging.getLogger(__name__)

_LOCK_SECONDS = 30.0
"""How long to wait for the file lock, which others hold for an instant."""


class FileStore(LimiterStore):
    """A folder of files, for the processes of one user on one machine."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self._folder = folder
        self._clock = clock or Clock()

    @property
    def description(self) -> str:
        """The folder."""
        return f"files in {self._folder}, for all processes of this user on this machine"

    def open(self, fingerprint: str, rate: Rate) -> TokenCounter:
        """Open the file of a token; a damaged one starts again, as if the limit had just been used."""
        return _FileCounter(self._folder, fingerprint, rate, self._clock)


class _FileCounter(TokenCounter):
    def __init__(self, folder: Path, fingerprint: str, rate: Rate, clock: Clock) -> None:
        self._clock = clock
        self._file = folder / f"requests-{fingerprint}.sqlite"
        self._pause_file = folder / f"requests-{fingerprint}.pause"
        with self._errors():
            _make_private(folder)
            was_damaged = self._remove_damaged()
            self.bucket = self._open_bucket(rate)
            self._lock = cast("filelock.FileLock", self.bucket.limiter_lock())
            self._lock.timeout = _LOCK_SECONDS
            if was_damaged:
                use_up(self.bucket, self._now())

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        with self._errors(), self._lock:
            yield

    def state(self) -> TokenState:
        now = self._now()
        try:
            end = self._pause_file.stat().st_mtime_ns // 10**6
        except FileNotFoundError:
            end = now
        return TokenState(now, (end - now) / 1000)

    def pause(self, seconds: float) -> None:
        if seconds > self.state().pause_left:
            end = self._now() + int(seconds * 1000)
            self._pause_file.touch(mode=0o600)
            os.utime(self._pause_file, ns=(end * 10**6, end * 10**6))

    def close(self) -> None:
        self.bucket.close()

    def _open_bucket(self, rate: Rate) -> AbstractBucket:
        return SQLiteBucket.init_from_file([rate], db_path=str(self._file), use_file_lock=True)

    def _now(self) -> int:
        return int(self._clock.wall() * 1000)

    def _remove_damaged(self) -> bool:
        """Remove the file where SQLite cannot read it as a database; return whether that was so."""
        with filelock.FileLock(f"{self._file}.lock", timeout=_LOCK_SECONDS):
            try:
                with closing(sqlite3.connect(self._file)) as connection:
                    is_damaged = connection.execute("PRAGMA quick_check").fetchall() != [("ok",)]
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                is_damaged = True
            if is_damaged:
                _LOG.warning("%s is damaged and starts again", self._file)
                for suffix in ("", "-wal", "-shm"):
                    self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        return is_damaged

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Name the file in the errors of the block."""
        try:
            yield
        except filelock.Timeout:
            raise LimiterUnusable(f"another process has locked {self._file}.lock for too long: end it") from None
        except (sqlite3.Error, OSError) as fault:
            reason = getattr(fault, "strerror", None) or fault
            raise LimiterUnusable(f"the rate limiter cannot use {self._file}: {reason}") from None


def _make_private(folder: Path) -> None:
    """Make a folder that only this user can enter; others may have made it, or a link.

    Raises:
        LimiterUnusable: It belongs to somebody else, or is no folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise LimiterUnusable(
            f"the rate limiter cannot use {folder}: it is not a folder of this user; "
            "remove it, or name another folder for temporary files by TMPDIR"
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        folder.chmod(0o700)
