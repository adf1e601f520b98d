"""The circuit breaker: while the API fails, one request in a while finds out whether it is back.

The breakers on PyPI let every waiting request through at once when their pause is over. Add here what decides whether
the API is down. How long to wait is decided in `retry`.
"""

from pso_pipeline.mews.clock import Clock
from pso_pipeline.mews.errors import CircuitOpen, MewsError, ServerFault, Unreachable
from pso_pipeline.mews.retry import RetryPolicy

FAILURES = 5
"""Failures in a row, of any calls, that open the circuit."""


class CircuitBreaker:
    """Passes all requests until several in a row have failed, then one after each backoff until the API responds.

    A response of any kind, a refusal too, closes the circuit. When the API has been failing for as long as the retry
    policy goes on, callers need not wait any longer.
    """

    def __init__(self, address: str, policy: RetryPolicy, clock: Clock) -> None:
        self._address = address
        self._policy = policy
        self._clock = clock
        self._failures = 0
        self._last_failure: MewsError | None = None
        self._opened_at = 0.0
        self._next_probe = 0.0
        self._probes = 0

    def check(self, operation: str) -> None:
        """Let a request pass.

        Raises:
            CircuitOpen: It may not pass now.
        """
        last = self._last_failure
        if self._failures < FAILURES or last is None:
            return
        now = self._clock.steady()
        if now >= self._next_probe:
            self._probes += 1
            self._next_probe = now + self._policy.backoff(self._probes)
            return
        refusal = CircuitOpen(
            f"{self._address} has failed {self._failures} times in a row; last: {last.message}",
            operation,
            last.request_id,
            last.status,
        )
        if now - self._opened_at < self._policy.seconds:
            refusal.retry_after = self._next_probe - now
        raise refusal

    def record(self, failure: MewsError | None) -> None:
        """Note how a request ended; None stands for a success."""
        if not isinstance(failure, ServerFault | Unreachable):
            self._failures = 0
            return
        self._failures += 1
        self._last_failure = failure
        if self._failures == FAILURES:
            self._opened_at = self._clock.steady()
            self._probes = 1
            self._next_probe = self._opened_at + self._policy.backoff(1)
