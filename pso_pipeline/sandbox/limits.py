"""The rate limit of each access token, and the documented figures behind it."""

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

REQUESTS_PER_WINDOW = 200
WINDOW_SECONDS = 30.0


class RateLimit:
    """At most so many requests of one access token within any window of time.

    The window slides: it begins with the oldest request still counted, the first of a burst, and not at a tick of the
    clock. A refused request is not counted, so a client that waits for `Retry-After` gets through.

    Args:
        requests: Requests allowed within a window.
        seconds: Length of the window.
        timer: Monotonic seconds; tests give their own.
    """

    def __init__(
        self,
        requests: int = REQUESTS_PER_WINDOW,
        seconds: float = WINDOW_SECONDS,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = requests
        self._seconds = seconds
        self._timer = timer
        self._accepted: defaultdict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def take(self, token: str) -> int | None:
        """Count one request; returns None, or the whole seconds to wait for one request too many."""
        with self._lock:
            now = self._timer()
            accepted = self._accepted[token]
            while accepted and accepted[0] <= now - self._seconds:
                accepted.popleft()
            if len(accepted) < self._requests:
                accepted.append(now)
                return None
            return max(1, math.ceil(accepted[0] + self._seconds - now))
