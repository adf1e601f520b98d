"""Politeness: no more requests of a token than its limit allows, from all processes of this machine together.

The counting is pyrate-limiter's: an SQLite bucket with one row for each request, a true sliding window, under a file
lock. This module adds what the API asks for beyond that: a hold after a 429, kept beside the bucket, that every process
obeys; and waiting that neither blocks the event loop nor asks again before there can be room.

Add here what decides when a request may go out. Whether it is tried again is decided in `patience`.
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
import msgspec
from pyrate_limiter import AbstractBucket, Rate, RateItem, SQLiteBucket
from pyrate_limiter.abstracts.algorithm import Decision
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from pso_pipeline.contract.limits import REQUESTS_PER_WINDOW, WINDOW_SECONDS
from pso_pipeline.mews.clock import Clock

_LOG = logging.getLogger(__name__)

_LONGEST_HOLD = 600.0
"""Seconds after which a hold ends, whatever the server said or the file of the hold holds."""

_CLOCK_SLIP = 1.0
"""Seconds by which an entry may lie ahead of the clock before it counts as written before the clock was set back."""

_LOCK_PATIENCE = 30.0
"""Seconds to wait for the file lock, which is held for less than a millisecond at a time."""

_REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many requests of one token may go out in any stretch of `window_seconds`.

    The server counts arrivals and this side departures. A request that was held up on its way can arrive together with
    ones that left up to that much later, so the window is kept `margin_seconds` longer than the server's.
    """

    requests: int = REQUESTS_PER_WINDOW
    window_seconds: float = WINDOW_SECONDS
    margin_seconds: float = 1.0


class Held(Exception):
    """The token is on hold for `seconds` more, which is longer than the caller wants to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class LimiterUnusable(Exception):
    """The files of the limiter cannot be read or written; the message names them."""


class _Hold(msgspec.Struct, frozen=True):
    """No request between these two moments, in seconds of Unix time."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class _Wait:
    seconds: float
    is_hold: bool


class TokenLimiter:
    """The gate of one access token, shared with every process that uses the same `state_dir`.

    It never sees the token, only its fingerprint. Its times are those of the wall clock, the only one that processes
    share. Where that clock is set back, entries from the future are taken as made now: one window is lost at most.
    Where it is set forward, entries expire early, and the server's 429 is what remains.
    """

    def __init__(self, state_dir: Path, fingerprint: str, limits: Limits, clock: Clock) -> None:
        self._clock = clock
        self._limits = limits
        self._hold_file = state_dir / f"requests-{fingerprint}.hold"
        self._bucket_file = state_dir / f"requests-{fingerprint}.sqlite"
        self._line = asyncio.Lock()
        self._turns = 0
        with self._naming_the_file():
            _make_private(state_dir)
            was_damaged = self._remove_damaged()
            self._bucket = self._open_bucket()
            self._lock = cast("filelock.FileLock", self._bucket.limiter_lock())
            if was_damaged:
                # what it had counted is lost: the whole limit may have been used just now
                with self._lock.acquire(timeout=_LOCK_PATIENCE, poll_interval=0.005):
                    self._bucket.put(RateItem(_REQUEST, int(clock.wall() * 1000), weight=limits.requests))

    async def wait_for_turn(self, longest_hold: float = math.inf) -> float:
        """Wait until one more request may go out, and count it. Returns the seconds spent on hold after a 429.

        First come, first served within a process. Raises Held at once where a hold would go on for more than
        `longest_hold` seconds. When cancelled, nothing was counted.
        """
        held = 0.0
        async with self._line:
            while (wait := await self._take_turn()) is not None:
                if wait.is_hold:
                    if held + wait.seconds > longest_hold:
                        raise Held(wait.seconds)
                    held += wait.seconds
                await self._clock.sleep(wait.seconds)
        return held

    def hold(self, seconds: float) -> None:
        """Let no request of the token out for this long, in any process; never shortens a hold."""
        with self._naming_the_file(), self._lock.acquire(timeout=_LOCK_PATIENCE, poll_interval=0.005):
            now = self._clock.wall()
            until = now + min(seconds, _LONGEST_HOLD)
            if until > now + self._hold_left(now):
                self._write(_Hold(now, until))

    def close(self) -> None:
        """Close the files."""
        self._bucket.close()

    def _remove_damaged(self) -> bool:
        """Remove the files of the bucket where they are no database any more; tell whether they were."""
        # the lock that the bucket takes too, so that no other process removes what this one has made
        with filelock.FileLock(f"{self._bucket_file}.lock", timeout=_LOCK_PATIENCE, poll_interval=0.005):
            is_damaged = _is_damaged(self._bucket_file)
            if is_damaged:
                _LOG.warning("%s is damaged and is made again", self._bucket_file)
                for suffix in ("", "-wal", "-shm"):
                    self._bucket_file.with_name(self._bucket_file.name + suffix).unlink(missing_ok=True)
        return is_damaged

    def _open_bucket(self) -> AbstractBucket:
        milliseconds = math.ceil((self._limits.window_seconds + self._limits.margin_seconds) * 1000)
        return SQLiteBucket.init_from_file(
            [Rate(self._limits.requests, milliseconds)], db_path=str(self._bucket_file), use_file_lock=True
        )

    async def _take_turn(self) -> _Wait | None:
        with self._naming_the_file():
            try:
                self._lock.acquire(blocking=False)
            except filelock.Timeout:
                await self._wait_for_lock()
            try:
                return self._count_request()
            finally:
                self._lock.release()

    async def _wait_for_lock(self) -> None:
        patiently = AsyncRetrying(
            retry=retry_if_exception_type(filelock.Timeout),
            wait=wait_random_exponential(multiplier=0.001, max=0.05),
            stop=stop_after_delay(_LOCK_PATIENCE),
            reraise=True,
        )
        async for attempt in patiently:
            with attempt:
                self._lock.acquire(blocking=False)

    def _count_request(self) -> _Wait | None:
        """Count a request if it may go out now; else how long to wait. The file lock is held."""
        now = self._clock.wall()
        if (left := self._hold_left(now)) > 0:
            return _Wait(left, is_hold=True)
        milliseconds = int(now * 1000)
        self._pull_back_the_future(milliseconds)
        self._turns += 1
        if self._turns % self._limits.requests == 0:
            self._bucket.leak(milliseconds)
        decision = cast("Decision", self._bucket.put_decision(RateItem(_REQUEST, milliseconds)))
        if decision.allowed:
            return None
        return _Wait((decision.retry_after_ms or 1) / 1000, is_hold=False)

    def _pull_back_the_future(self, now: int) -> None:
        newest = cast("RateItem | None", self._bucket.peek(0))
        if newest is None or newest.timestamp <= now + _CLOCK_SLIP * 1000:
            return
        counted = min(cast("int", self._bucket.count()), self._limits.requests)
        self._bucket.flush()
        self._bucket.put(RateItem(_REQUEST, now, weight=counted))

    def _hold_left(self, now: float) -> float:
        """Seconds that the hold goes on; 0 without one. The file lock is held."""
        try:
            hold = msgspec.json.decode(self._hold_file.read_bytes(), type=_Hold)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return 0.0
        if hold.since > now + _CLOCK_SLIP:
            hold = _Hold(now, now + hold.until - hold.since)
            self._write(hold)
        return max(0.0, min(hold.until, hold.since + _LONGEST_HOLD) - now)

    def _write(self, hold: _Hold) -> None:
        fresh = self._hold_file.with_suffix(".hold.new")
        fresh.write_bytes(msgspec.json.encode(hold))
        fresh.replace(self._hold_file)

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except filelock.Timeout:
            raise LimiterUnusable(f"another process has held {self._bucket_file}.lock for too long: end it") from None
        except (sqlite3.Error, OSError) as fault:
            reason = getattr(fault, "strerror", None) or fault
            raise LimiterUnusable(f"the request limiter cannot use {self._bucket_file}: {reason}") from None


def _is_damaged(path: Path) -> bool:
    """Whether a file is there that SQLite cannot read as a database; one that cannot be opened is another matter."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check").fetchone() != ("ok",))
    except sqlite3.OperationalError:
        return False
    except sqlite3.DatabaseError:
        return True


def _make_private(folder: Path) -> None:
    """Make a folder that only this user can enter, or make sure that it is one: others may have made it, or a link.

    Raises:
        LimiterUnusable: It is somebody else's, or no folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise LimiterUnusable(
            f"the request limiter cannot use {folder}: it is not a folder of this user; "
            "remove it, or name another folder for temporary files by TMPDIR"
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        folder.chmod(0o700)
