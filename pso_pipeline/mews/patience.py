"""How long the client keeps trying, and how it pauses in between: the rules that tenacity follows.

Add here what decides whether and when a request is tried again. What counts as which failure is decided in `client`.
"""

import math
import secrets
from dataclasses import dataclass

from tenacity import RetryCallState

from pso_pipeline.mews.clock import Clock
from pso_pipeline.mews.errors import CircuitOpen, MewsError, OversizedAnswer, Unreachable

_RANDOM = secrets.SystemRandom()

_OVERSIZED_ATTEMPTS = 2
"""Requests whose answers may be over the limit: asking for a smaller page helps more than asking again."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call goes on after failures.

    `attempts` requests fail at most, and none is begun later than `seconds` after the first failure. Pauses double from
    `first_pause` to `longest_pause` seconds, with jitter. Waiting after a 429 is counted apart: `hold_seconds` in all;
    a 429 without `Retry-After` holds the token for `first_hold` seconds, doubling to `longest_hold`, with jitter.
    An address that has never answered is given `first_contact_seconds`: most likely it is wrong.
    """

    attempts: int = 10
    seconds: float = 180.0
    first_pause: float = 0.5
    longest_pause: float = 30.0
    hold_seconds: float = 900.0
    first_hold: float = 2.0
    longest_hold: float = 120.0
    first_contact_seconds: float = 10.0

    def hold_after(self, refusals: int) -> float:
        """Seconds to hold a token after this many 429s in a row that did not say how long."""
        return _backoff(refusals, self.first_hold, self.longest_hold)


BRIEF = Patience(attempts=2, seconds=10.0, hold_seconds=35.0)
"""For a person who waits: one second try, and one window's worth of waiting after a 429."""


class Budget:
    """The patience of one call and what is left of it. `pause` and `is_spent` are tenacity's `wait` and `stop`."""

    def __init__(self, patience: Patience, clock: Clock, *, is_first_contact: bool) -> None:
        self._patience = patience
        self._clock = clock
        self._is_first_contact = is_first_contact
        self._failures = 0
        self._first_failure: float | None = None
        self.held = 0.0
        """Seconds spent on hold."""
        self.last_failure: MewsError | None = None
        """Of a request that was sent."""

    @property
    def hold_left(self) -> float:
        """Seconds that the call may still spend on hold."""
        return self._patience.hold_seconds - self.held

    def pause(self, state: RetryCallState) -> float:
        """Seconds until the next try."""
        failure = _failure(state)
        if isinstance(failure, CircuitOpen):
            return failure.wait_seconds
        return _backoff(self._failures + 1, self._patience.first_pause, self._patience.longest_pause)

    def is_spent(self, state: RetryCallState) -> bool:
        """Whether to give up. Asked once after each failure, when the next pause is known."""
        failure = _failure(state)
        now = self._clock.steady()
        if self._first_failure is None:
            self._first_failure = now
        if isinstance(failure, CircuitOpen):
            if failure.down_seconds >= self._patience.seconds:
                return True
        else:
            self.last_failure = failure
            self._failures += 1
            if self._failures >= (
                _OVERSIZED_ATTEMPTS if isinstance(failure, OversizedAnswer) else self._patience.attempts
            ):
                return True
        return now + state.upcoming_sleep - self._first_failure > self._seconds()

    def _seconds(self) -> float:
        if self._is_first_contact and isinstance(self.last_failure, Unreachable):
            return min(self._patience.seconds, self._patience.first_contact_seconds)
        return self._patience.seconds


def _failure(state: RetryCallState) -> MewsError:
    failure = state.outcome.exception() if state.outcome is not None else None
    if not isinstance(failure, MewsError):
        raise TypeError(f"only failures of requests are tried again, not {failure!r}")
    return failure


def _backoff(number: int, first: float, longest: float) -> float:
    """The pause after this many failures: doubling, and somewhere in the upper half, so that callers spread out."""
    pause = min(longest, math.ldexp(first, min(number - 1, 30)))
    return pause * _RANDOM.uniform(0.5, 1.0)
