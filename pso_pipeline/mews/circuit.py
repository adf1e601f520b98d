"""The circuit breaker: while the server is down, one request at a time asks whether it is back, and all others wait.

Of the libraries, `circuitbreaker` 2.1 and `purgatory` 3.0 let every waiting request through at once when their pause
is over, and take a cancelled request for a success or a failure; `pybreaker` 1.4 is asynchronous on Tornado only.

Add here what decides whether the server is down. What a caller does meanwhile is decided in `patience`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pso_pipeline.mews.clock import Clock
from pso_pipeline.mews.errors import CircuitOpen, MewsError, OversizedAnswer, ServerFault, Unreachable

_LOOK_AGAIN = 5.0
"""Seconds after which a waiting request looks whether the one that is asking has got an answer."""


@dataclass(slots=True)
class _Outage:
    """Since when the server has been down, when it may be asked next, and whether a request is asking now."""

    since: float
    pause: float
    next_try: float
    is_tried: bool = False


class Circuit:
    """Closed while the server answers; open after `threshold` failures in a row, from whatever calls.

    An answer of any kind, a refusal too, closes it. While it is open, one request may pass after `first_pause` seconds,
    the next after twice as long, up to `longest_pause`.
    """

    def __init__(
        self,
        address: str,
        clock: Clock,
        *,
        threshold: int = 5,
        first_pause: float = 2.0,
        longest_pause: float = 60.0,
    ) -> None:
        self._address = address
        self._clock = clock
        self._threshold = threshold
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._failures = 0
        self._outage: _Outage | None = None
        self._last_failure: MewsError | None = None

    def check(self, operation: str) -> None:
        """Raise CircuitOpen where a request would not be let through now."""
        outage = self._outage
        if outage is None:
            return
        now = self._clock.steady()
        wait = min(outage.pause, _LOOK_AGAIN) if outage.is_tried else outage.next_try - now
        if wait > 0:
            last = self._last_failure
            raise CircuitOpen(
                f"{self._address} has failed {self._failures} times in a row; last: {last.message if last else ''}",
                operation,
                request_id=last.request_id if last else None,
                status=last.status if last else None,
                wait_seconds=wait,
                down_seconds=now - outage.since,
            )

    @contextmanager
    def passage(self, operation: str) -> Iterator[None]:
        """Let one request through and learn from what becomes of it; raises CircuitOpen where none may pass.

        A request that was cancelled teaches nothing.
        """
        self.check(operation)
        outage = self._outage
        if outage is not None:
            outage.is_tried = True
        try:
            yield
        except MewsError as failure:
            if isinstance(failure, ServerFault | Unreachable) and not isinstance(failure, OversizedAnswer):
                self._fail(failure, outage)
            else:
                self._close()
            raise
        else:
            self._close()
        finally:
            if outage is not None:
                outage.is_tried = False

    def _close(self) -> None:
        self._failures = 0
        self._outage = None

    def _fail(self, failure: MewsError, tried: _Outage | None) -> None:
        self._failures += 1
        self._last_failure = failure
        now = self._clock.steady()
        if self._outage is None:
            if self._failures >= self._threshold:
                self._outage = _Outage(now, self._first_pause, now + self._first_pause)
        elif self._outage is tried:
            tried.pause = min(tried.pause * 2, self._longest_pause)
            tried.next_try = now + tried.pause
