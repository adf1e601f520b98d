"""The retry policy: whether and when a failed request is sent again. tenacity carries it out.

Add here what decides about the next attempt. How a failure is recognized is decided in `responses` and `transport`.
"""

import math
import secrets
from dataclasses import dataclass

from tenacity import RetryCallState

from pso_pipeline.mews.clock import Clock
from pso_pipeline.mews.errors import CircuitOpen, Retriable, TooManyRequests, Unreachable

_RANDOM = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long one call goes on after failures.

    At most `attempts` requests fail, and none is sent later than `seconds` after the first failure. The backoff doubles
    from `first_backoff` to `longest_backoff` seconds, with jitter. Pauses after a 429 count apart: `pause_seconds` in
    all. An address that has never responded gets `first_contact_seconds`, because it is probably wrong.
    """

    attempts: int = 10
    seconds: float = 180.0
    first_backoff: float = 1.0
    longest_backoff: float = 60.0
    pause_seconds: float = 900.0
    first_contact_seconds: float = 10.0

    def backoff(self, failures: int) -> float:
        """Return the seconds to wait after this many failures: in the upper half, so that callers spread out."""
        longest = min(self.longest_backoff, math.ldexp(self.first_backoff, min(failures - 1, 30)))
        return longest * _RANDOM.uniform(0.5, 1.0)


BRIEF = RetryPolicy(attempts=2, seconds=10.0, pause_seconds=35.0)
"""For a person who waits: one second attempt, and a pause of one window after a 429."""


OPTIONAL = RetryPolicy(attempts=4, seconds=30.0, pause_seconds=120.0)
"""For an operation that others wait for and that can be left to the next refresh."""


class Retries:
    """The attempts of one call; `wait` and `stop` are what tenacity calls after each failure, in this order."""

    def __init__(self, policy: RetryPolicy, clock: Clock, *, is_first_contact: bool) -> None:
        self._policy = policy
        self._clock = clock
        self._is_first_contact = is_first_contact
        self._faults = 0
        self._refusals = 0
        self._paused = 0.0
        self._first_failure: float | None = None

    def pause(self, refusal: TooManyRequests) -> float:
        """Return the seconds that the token pauses after a 429."""
        self._refusals += 1
        return refusal.retry_after or self._policy.backoff(self._refusals)

    def wait(self, state: RetryCallState) -> float:
        """Return the seconds until the next attempt."""
        retry_after = _failure(state).retry_after
        return self._policy.backoff(self._faults + 1) if retry_after is None else retry_after

    def stop(self, state: RetryCallState) -> bool:
        """Return whether to give up."""
        failure = _failure(state)
        if isinstance(failure, TooManyRequests):
            self._paused += state.upcoming_sleep
            return self._paused > self._policy.pause_seconds
        now = self._clock.steady()
        if self._first_failure is None:
            self._first_failure = now
        if isinstance(failure, CircuitOpen):
            if failure.retry_after is None:
                return True
        else:
            self._faults += 1
            if self._faults >= self._policy.attempts:
                return True
        seconds = self._policy.seconds
        if self._is_first_contact and isinstance(failure, Unreachable):
            seconds = min(seconds, self._policy.first_contact_seconds)
        return now + state.upcoming_sleep > self._first_failure + seconds


def _failure(state: RetryCallState) -> Retriable:
    failure = state.outcome.exception() if state.outcome is not None else None
    if not isinstance(failure, Retriable):
        raise TypeError(f"{failure!r} is not retried")
    return failure
