"""The server's own clock, which tests may freeze and shift.

Every time that a client can see comes from here: the `Date` header, and the moment for which a world answers. Waiting
and the rate limit follow the machine's monotonic clock instead.
"""

import time
from datetime import datetime

from pso_pipeline.sandbox import times


class Clock:
    """The server's time: the machine's time plus a shift, or a frozen instant.

    Args:
        shift: Seconds by which the server is ahead of this machine (negative: behind).
        frozen_at: An aware date-time, wire text or seconds since 1970 at which the clock stops.
    """

    def __init__(self, *, shift: int = 0, frozen_at: datetime | str | int | None = None) -> None:
        self._shift = shift
        self._frozen = None if frozen_at is None else times.seconds(frozen_at)

    def now(self) -> int:
        """Whole seconds since 1970, UTC."""
        return int(time.time()) + self._shift if self._frozen is None else self._frozen

    def freeze(self, at: datetime | str | int | None = None) -> None:
        """Stop at the given time, or at the present one."""
        self._frozen = self.now() if at is None else times.seconds(at)

    def resume(self) -> None:
        """Go on from the machine's time after a freeze."""
        self._frozen = None

    def advance(self, seconds: float) -> None:
        """Move ahead (negative: back) without waiting; a frozen clock stays frozen."""
        if self._frozen is None:
            self._shift += int(seconds)
        else:
            self._frozen += int(seconds)
