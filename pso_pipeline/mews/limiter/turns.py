"""When a request may be sent: within the limit of its token, and not while the token pauses after a 429.

It waits without blocking the event loop. Add here what is true for every store.
"""

import asyncio
import math
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

from pyrate_limiter import Decision, Rate, RateItem
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from pso_pipeline.contract.limits import REQUESTS_PER_WINDOW, WINDOW_SECONDS
from pso_pipeline.mews.clock import Clock
from pso_pipeline.mews.errors import TooManyRequests
from pso_pipeline.mews.limiter.store import (
    CLOCK_SLIP,
    LONGEST_PAUSE,
    LimiterStore,
    LimiterUnusable,
    StoreUnavailable,
    TokenCounter,
    use_up,
)

PATIENCE_SECONDS = 30.0
"""How long to go on with a store that does not respond, or that others always lock: a restart takes less."""

FIRST_CONTACT_SECONDS = 10.0
"""The same for a store that has never responded: its address is probably wrong."""

_LOCKED_SECONDS = (0.01, 0.03)
"""The pause before the next attempt while another machine counts; at random, so that machines spread out."""

_RANDOM = secrets.SystemRandom()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests of one token may be sent in any `window_seconds`.

    The server counts arrivals and the client departures. A delayed request can arrive together with later ones, so the
    client's window is longer than the server's by `margin_seconds`.
    """

    requests: int = REQUESTS_PER_WINDOW
    window_seconds: float = WINDOW_SECONDS
    margin_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class _Turn:
    """The answer of a store: 0 or the seconds until there may be room, None while another machine locks the counter.

    `asked_at` is when the store was asked, by the steady clock.
    """

    seconds: float | None
    asked_at: float


class RateLimiter:
    """The rate limiter of one access token, shared by all processes that use the same store.

    All times are those of the store's clock. When that clock was set back, one window is lost; when it was set forward,
    the server's 429 remains. Without the store no request is sent.
    """

    def __init__(self, store: LimiterStore, fingerprint: str, limit: RateLimit, clock: Clock) -> None:
        self._clock = clock
        self._limit = limit
        self._store = store
        self._fingerprint = fingerprint
        self._rate = Rate(limit.requests, math.ceil((limit.window_seconds + limit.margin_seconds) * 1000))
        self._queue = asyncio.Lock()
        self._thread = threading.Lock()
        self._counter: TokenCounter | None = None
        self._has_responded = False

    async def wait_for_turn(self, operation: str) -> None:
        """Wait until one more request may be sent, and count it. Callers of one process are served in order.

        Raises:
            TooManyRequests: The token pauses.
            LimiterUnusable: The store cannot be used.
        """
        async with self._queue:
            obstructed_since = None
            while True:
                turn = await self._ask(partial(self._take_turn, operation))
                now = self._clock.steady()
                if turn.seconds:
                    obstructed_since = None
                    await self._clock.sleep(turn.seconds)
                    continue
                # a request that is sent long after it was counted arrives among those of another window
                if turn.seconds == 0 and now - turn.asked_at <= self._limit.margin_seconds / 2:
                    return
                obstructed_since = now if obstructed_since is None else obstructed_since
                if now - obstructed_since > PATIENCE_SECONDS:
                    raise LimiterUnusable(
                        f"the rate limiter cannot use {self._store.description}: it is too slow, or always locked"
                    )
                await self._clock.sleep(_RANDOM.uniform(*_LOCKED_SECONDS))

    async def pause(self, seconds: float) -> None:
        """Send no request of the token for this long, from any process; never shortens a pause.

        Raises:
            LimiterUnusable: The store cannot be used.
        """
        await self._ask(partial(_pause, seconds=min(seconds, LONGEST_PAUSE)))

    def close(self) -> None:
        """Close the counter."""
        with self._thread:
            if self._counter is not None:
                self._counter.close()
                self._counter = None

    async def _ask(self, question: Callable[[TokenCounter], T]) -> T:
        """Ask the store in a thread; ask again for a while if it does not respond."""
        since = self._clock.steady()
        patience = PATIENCE_SECONDS if self._has_responded else FIRST_CONTACT_SECONDS
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(StoreUnavailable),
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
            stop=lambda _: self._clock.steady() - since > patience,
            sleep=self._clock.sleep,
            reraise=True,
        )
        return await retrying(asyncio.to_thread, self._ask_once, question)

    def _ask_once(self, question: Callable[[TokenCounter], T]) -> T:
        with self._thread:
            try:
                counter = self._counter = self._counter or self._open()
                self._has_responded = True
                with counter.exclusively():
                    return question(counter)
            except LimiterUnusable:
                # a server that was restarted has forgotten a script, one that was replaced has no table
                if self._counter is not None:
                    self._counter.close()
                    self._counter = None
                raise

    def _open(self) -> TokenCounter:
        counter = self._store.open(self._fingerprint, self._rate)
        with counter.exclusively():
            counter.bucket.leak(counter.state().now)
        return counter

    def _take_turn(self, operation: str, counter: TokenCounter) -> _Turn:
        """Count a request if there is room."""
        asked_at = self._clock.steady()
        state, bucket = counter.state(), counter.bucket
        if state.pause_left > 0:
            paused = TooManyRequests(f"not sent: the token pauses for {state.pause_left:.0f} s after a 429", operation)
            paused.retry_after = state.pause_left
            raise paused
        if state.unknown_for > 0:
            return _Turn(state.unknown_for, asked_at)
        newest = cast("RateItem | None", bucket.peek(0))
        if newest is not None and newest.timestamp > state.now + CLOCK_SLIP * 1000:
            use_up(bucket, state.now)
        decision = cast("Decision", bucket.put_decision(RateItem("request", state.now)))
        if decision.allowed:
            return _Turn(0.0, asked_at)
        if decision.retry_after_ms is None:
            return _Turn(None, asked_at)
        bucket.leak(state.now)
        return _Turn(max(decision.retry_after_ms, 1) / 1000, asked_at)


def _pause(counter: TokenCounter, seconds: float) -> None:
    counter.pause(seconds)
