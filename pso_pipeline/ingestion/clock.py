"""The server's clock, by its `Date` headers: no decision about what was read trusts the local clock alone."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

UNREPORTED_MARGIN = timedelta(hours=24)
"""How far behind the local clock a watermark stays where a server sends no `Date`: few clocks are off by more."""

_TICK = timedelta(microseconds=1)
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


def trusted(reported: datetime | None) -> datetime:
    """Return the time that a watermark may not pass: what the server reported when a read began, to the second.

    Or the local clock's where that is earlier: one server of many, or a proxy, can be an hour ahead, and a watermark
    ahead of time loses orders where one behind it reads some again. Where the server reported nothing, the local clock
    less `UNREPORTED_MARGIN`.
    """
    now = datetime.now(UTC)
    return now - UNREPORTED_MARGIN if reported is None else min(reported, now)


@dataclass(slots=True)
class ServerClock:
    """What time it is at the server: what it reported last and first, and an estimate that continues from there.

    `Date` has whole seconds, so the estimate is up to a second late, and never goes back while the clock lives.
    """

    reported: datetime | None = None
    first_reported: datetime | None = None
    _base: datetime | None = None
    _base_at: float = field(default_factory=time.monotonic)
    _last_stamp: datetime = _BEFORE_ALL

    def observe(self, server_time: datetime | None) -> None:
        """Note a response's `Date`; None where it had none."""
        if server_time is None:
            return
        if self._base is None or server_time > self.now():
            self._base, self._base_at = server_time, time.monotonic()
        self.reported = server_time
        self.first_reported = self.first_reported or server_time

    def now(self) -> datetime:
        """Estimate the server's present time, to the microsecond; the local clock where it never reported one."""
        if self._base is None:
            return datetime.now(UTC)
        return self._base + timedelta(seconds=time.monotonic() - self._base_at)

    def stamp(self) -> datetime:
        """Return when something was read: each stamp is later than the one before, and than those of earlier reads."""
        self._last_stamp = max(self.now(), self._last_stamp + _TICK)
        return self._last_stamp

    def stamp_after(self, earlier: datetime | None) -> None:
        """Let every stamp be later than this, the latest that the warehouse holds."""
        if earlier is not None:
            self._last_stamp = max(self._last_stamp, earlier)
