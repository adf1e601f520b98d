"""The rate limit: no more requests of a token than allowed, from all processes of this machine together.

pyrate-limiter counts the requests in an SQLite file that the processes share. This module adds the pause after a 429,
which every process obeys, and waits without blocking the event loop.

Add here what decides when a request may be sent. Whether it is sent again is decided in `retry`.
"""

import asyncio
import logging
import math
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import filelock
from pyrate_limiter import AbstractBucket, Decision, Rate, RateItem, SQLiteBucket

from pso_pipeline.contract.limits import REQUESTS_PER_WINDOW, WINDOW_SECONDS
from pso_pipeline.mews.clock import Clock
from pso_pipeline.mews.errors import TooManyRequests

_LOG = logging.getLogger(__name__)

LONGEST_PAUSE = 600.0
"""Seconds after which a pause ends, whatever the file says."""

_LOCK_SECONDS = 30.0
"""How long to wait for the file lock, which others hold for an instant."""

_CLOCK_SLIP = 1.0
"""Seconds by which an entry may be ahead of the clock before the clock counts as set back."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests of one token may be sent in any `window_seconds`.

    The server counts arrivals and the client departures. A delayed request can arrive together with later ones, so the
    client's window is longer than the server's by `margin_seconds`.
    """

    requests: int = REQUESTS_PER_WINDOW
    window_seconds: float = WINDOW_SECONDS
    margin_seconds: float = 1.0


class LimiterUnusable(Exception):
    """The files of the rate limiter cannot be read or written; the message names them."""


class RateLimiter:
    """The rate limiter of one access token, shared by all processes that use the same `state_dir`.

    It knows the fingerprint of the token only. Times are those of the wall clock, which the processes share. When that
    clock was set back, one window is lost; when it was set forward, the server's 429 remains.
    """

    def __init__(self, state_dir: Path, fingerprint: str, limit: RateLimit, clock: Clock) -> None:
        self._clock = clock
        self._limit = limit
        self._file = state_dir / f"requests-{fingerprint}.sqlite"
        self._pause_file = state_dir / f"requests-{fingerprint}.pause"
        self._queue = asyncio.Lock()
        with self._files():
            _make_private(state_dir)
            was_damaged = self._remove_damaged()
            self._bucket = self._open_bucket()
            self._lock = cast("filelock.FileLock", self._bucket.limiter_lock())
            self._lock.timeout = _LOCK_SECONDS
            self._bucket.leak(_milliseconds(clock))
            if was_damaged:
                self._use_up()

    async def wait_for_turn(self, operation: str) -> None:
        """Wait until one more request may be sent, and count it. Callers of one process are served in order.

        Raises:
            TooManyRequests: The token pauses.
        """
        async with self._queue:
            while (seconds := await asyncio.to_thread(self._take_turn, operation)) > 0:
                await self._clock.sleep(seconds)

    def pause(self, seconds: float) -> None:
        """Send no request of the token for this long, from any process; never shortens a pause.

        The modification time of a file is the end of the pause.
        """
        with self._files():
            if seconds > self._pause_left():
                end = _milliseconds(self._clock) + int(min(seconds, LONGEST_PAUSE) * 1000)
                self._pause_file.touch(mode=0o600)
                os.utime(self._pause_file, ns=(end * 10**6, end * 10**6))

    def close(self) -> None:
        """Close the files."""
        self._bucket.close()

    def _take_turn(self, operation: str) -> float:
        """Count a request and return 0, or return the seconds until there may be room."""
        with self._files(), self._lock:
            if (left := self._pause_left()) > 0:
                paused = TooManyRequests(f"not sent: the token pauses for {left:.0f} s after a 429", operation)
                paused.retry_after = left
                raise paused
            now = _milliseconds(self._clock)
            newest = cast("RateItem | None", self._bucket.peek(0))
            if newest is not None and newest.timestamp > now + _CLOCK_SLIP * 1000:
                self._use_up()
            decision = cast("Decision", self._bucket.put_decision(RateItem("request", now)))
            if decision.allowed:
                return 0.0
            self._bucket.leak(now)
            return (decision.retry_after_ms or 1) / 1000

    def _pause_left(self) -> float:
        try:
            end = self._pause_file.stat().st_mtime_ns // 10**6
        except FileNotFoundError:
            return 0.0
        left = (end - _milliseconds(self._clock)) / 1000
        # a longer one was written before the clock was set back
        return left if left <= LONGEST_PAUSE + _CLOCK_SLIP else 0.0

    def _open_bucket(self) -> AbstractBucket:
        milliseconds = math.ceil((self._limit.window_seconds + self._limit.margin_seconds) * 1000)
        rate = Rate(self._limit.requests, milliseconds)
        return SQLiteBucket.init_from_file([rate], db_path=str(self._file), use_file_lock=True)

    def _use_up(self) -> None:
        """Count the whole limit as used now: what was counted before is not known."""
        self._bucket.flush()
        self._bucket.put(RateItem("request", _milliseconds(self._clock), weight=self._limit.requests))

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
    def _files(self) -> Iterator[None]:
        """Name the file in the errors of the block."""
        try:
            yield
        except filelock.Timeout:
            raise LimiterUnusable(f"another process has locked {self._file}.lock for too long: end it") from None
        except (sqlite3.Error, OSError) as fault:
            reason = getattr(fault, "strerror", None) or fault
            raise LimiterUnusable(f"the rate limiter cannot use {self._file}: {reason}") from None


def _milliseconds(clock: Clock) -> int:
    return int(clock.wall() * 1000)


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
