"""What the server received: the log that tests check a client's promises against.

It keeps no tokens, only their fingerprints. Nothing here decides how a request is answered.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pso_pipeline.sandbox.contract import Operation
from pso_pipeline.sandbox.limits import WINDOW_SECONDS

_SECRETS = frozenset({"ClientToken", "AccessToken"})


@dataclass(slots=True)
class ReceivedRequest:
    """One request to an operation.

    Attributes:
        operation: Which of the three.
        token: Fingerprint of the access token (`fingerprint`); None where there was none.
        at: When it arrived, in seconds of the server's monotonic clock.
        body: The JSON body without the tokens; None where it was not an object.
        request_id: The `Request-Id` of the answer; empty without an answer.
        status: Status answered; None while unanswered, and for ever where the connection was cut or left hanging.
        items: Items in the page answered.
    """

    operation: Operation
    token: str | None
    at: float
    body: dict[str, Any] | None
    request_id: str = field(default="")
    status: int | None = field(default=None)
    items: int = field(default=0)


class RequestLog:
    """Requests in the order of their arrival; safe to read while the server runs."""

    def __init__(self) -> None:
        self._requests: list[ReceivedRequest] = []
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[ReceivedRequest]:
        with self._lock:
            return iter(list(self._requests))

    def __len__(self) -> int:
        return len(self._requests)

    def __getitem__(self, place: int) -> ReceivedRequest:
        return self._requests[place]

    def of(self, operation: Operation | str) -> list[ReceivedRequest]:
        """The requests to one operation."""
        return [request for request in self if request.operation == operation]

    def clear(self) -> None:
        """Forget everything received so far."""
        with self._lock:
            self._requests.clear()

    def busiest(self, seconds: float = WINDOW_SECONDS) -> dict[str, int]:
        """The most requests within any window of so many seconds, for each token's fingerprint.

        Counts what was received, refused requests too: a client that keeps to the limit cannot have been refused.
        """
        arrivals: dict[str, list[float]] = {}
        for request in self:
            if request.token is not None:
                arrivals.setdefault(request.token, []).append(request.at)
        return {token: most_within(sorted(times), seconds) for token, times in arrivals.items()}

    def received(self, operation: Operation, body: Mapping[str, Any] | None, at: float) -> ReceivedRequest:
        """Write down a request as it arrives; the server fills in the answer later."""
        token = body.get("AccessToken") if body is not None else None
        request = ReceivedRequest(
            operation=operation,
            token=fingerprint(token) if isinstance(token, str) else None,
            at=at,
            body=None if body is None else {name: body[name] for name in body.keys() - _SECRETS},
        )
        with self._lock:
            self._requests.append(request)
        return request


def most_within(moments: Iterable[float], seconds: float) -> int:
    """The most of some ascending moments that lie less than so many seconds apart."""
    window: deque[float] = deque()
    most = 0
    for moment in moments:
        window.append(moment)
        while window[0] <= moment - seconds:
            window.popleft()
        most = max(most, len(window))
    return most


def fingerprint(token: str) -> str:
    """Twelve hexadecimal digits that distinguish tokens without giving them away."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]
