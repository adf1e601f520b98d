"""Faults of the server, its load balancer or the network, queued by tests.

A fault can be limited to an operation, to some request bodies and to a place in the sequence of requests; each request
gets one fault at most. Add a fault here when something new can happen to an answer, and carry it out in `server`. What
the contract itself answers (400, 401, 429 by count) belongs to `pso_pipeline.sandbox.app`.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from pso_pipeline.sandbox import times
from pso_pipeline.sandbox.contract import Operation

Predicate = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with this status instead of the result.

    Attributes:
        status: HTTP status.
        body: Sent unchanged; None sends the API's own error body.
        headers: Sent in addition to the usual ones.
    """

    status: int
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection: before the first byte of the answer, or after so many bytes of its body."""

    after_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Hang:
    """Never answer; the request ends when the client gives up or the server stops."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Answer as usual, so many seconds later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Answer as usual, once the test sets `released`."""

    released: threading.Event


@dataclass(frozen=True, slots=True)
class WithoutDate:
    """Answer as usual, without the `Date` header."""


@dataclass(frozen=True, slots=True)
class Garble:
    """Answer as usual, with another body made from the right one."""

    change: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class ShortPage:
    """Answer as usual, with a page of at most `items` items, even for a larger `Count`."""

    items: int


@dataclass(frozen=True, slots=True)
class OtherHeaders:
    """Answer as usual, with these headers instead of the usual ones."""

    headers: Mapping[str, str]


Fault = Answer | Disconnect | Hang | Slow | Hold | WithoutDate | Garble | ShortPage | OtherHeaders


def too_many_requests(retry_after: int | datetime | None = None) -> Answer:
    """429 whose `Retry-After` is in seconds, an HTTP date, or missing."""
    if retry_after is None:
        return Answer(429)
    text = str(retry_after) if isinstance(retry_after, int) else format_datetime(retry_after, usegmt=True)
    return Answer(429, headers={"Retry-After": text})


def not_json(status: int = 200) -> Answer:
    """An answer whose body is not JSON: a page of some proxy."""
    return Answer(status, b"<html><body>Bad gateway</body></html>", {"Content-Type": "text/html"})


def count_over(count: int) -> Predicate:
    """Requests for pages of more than so many items."""
    return lambda body: body["Limitation"]["Count"] > count


def interval_over(length: timedelta) -> Predicate:
    """Requests for an `UpdatedUtc` interval longer than this; none at all is the longest."""

    def matches(body: Mapping[str, Any]) -> bool:
        interval = body.get("UpdatedUtc")
        if interval is None:
            return True
        return times.parse(interval["EndUtc"]) - times.parse(interval["StartUtc"]) > length.total_seconds()

    return matches


def ids_over(count: int) -> Predicate:
    """Requests whose lists have more than so many ids together."""
    return lambda body: sum(len(body.get(name) or ()) for name in body if name.endswith("Ids")) > count


@dataclass(slots=True)
class _Planned:
    fault: Fault
    operation: Operation | None
    when: Predicate | None
    skip: int
    times: int | None


class Faults:
    """The queue of faults: each request takes the first that matches it. Safe to change while the server runs."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()

    def add(
        self,
        fault: Fault,
        *,
        operation: Operation | str | None = None,
        when: Predicate | None = None,
        skip: int = 0,
        times: int | None = 1,
    ) -> None:
        """Queue a fault.

        Args:
            fault: The fault.
            operation: Only for requests to this operation.
            when: Only for requests whose body (tokens included) this accepts.
            skip: How many matching requests to let through first.
            times: How many matching requests to answer with it; None is every one until `clear`.
        """
        wanted = None if operation is None else Operation(operation)
        with self._lock:
            self._planned.append(_Planned(fault, wanted, when, skip, times))

    def clear(self) -> None:
        """Remove every fault from the queue."""
        with self._lock:
            self._planned.clear()

    @property
    def outstanding(self) -> int:
        """How many requests the limited faults still wait for; 0 when all of them happened."""
        with self._lock:
            return sum(planned.times for planned in self._planned if planned.times is not None)

    def take(self, operation: Operation, body: Mapping[str, Any]) -> Fault | None:
        """Take the fault of this request from the queue."""
        with self._lock:
            for planned in self._planned:
                if planned.operation not in (None, operation) or (planned.when and not planned.when(body)):
                    continue
                if planned.skip > 0:
                    planned.skip -= 1
                    continue
                if planned.times is not None:
                    planned.times -= 1
                    if planned.times == 0:
                        self._planned.remove(planned)
                return planned.fault
        return None
