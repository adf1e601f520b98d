"""What a response means: a result, or an error that says what happens next.

Add here how a status, a header or a body is read. What follows from an error is in `errors`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Generic, TypeVar

import msgspec

from pso_pipeline.mews.errors import (
    MewsError,
    RequestRefused,
    ServerFault,
    TokenRefused,
    TooHeavy,
    TooLarge,
    TooManyRequests,
)
from pso_pipeline.mews.records import UnreadableBody
from pso_pipeline.mews.tokens import Credentials
from pso_pipeline.mews.transport import HttpResponse

SHORTEST_RETRY_AFTER, LONGEST_RETRY_AFTER = 1.0, 600.0
"""Seconds within which `Retry-After` is obeyed; anything else is replaced by backoff."""

CLOCK_TOLERANCE = timedelta(days=1)
"""How far the server's clock and the local one may differ in a response that is believed."""

_ERRORS: dict[int, tuple[type[MewsError], str]] = {
    401: (TokenRefused, "the token was refused"),
    408: (TooHeavy, "too heavy for the server"),
    413: (TooLarge, "too large for the server"),
    429: (TooManyRequests, "too many requests"),
}
"""What these statuses mean. Any other 4xx is a refusal, as is a redirect; the rest is the server's fault."""

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]+)?")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ApiResponse(Generic[T]):
    """A result: the decoded content, None for 204; the server's own time from `Date`."""

    content: T | None
    status: int
    server_time: datetime | None
    request_id: str | None


class _ErrorBody(msgspec.Struct, rename="pascal"):
    """The body of an error, where the server sent one."""

    message: str | None = None
    request_id: str | None = None


def read_response(
    response: HttpResponse, operation: str, credentials: Credentials, now: datetime, decode: Callable[[bytes], T]
) -> ApiResponse[T]:
    """Return the result that a response contains.

    Raises:
        MewsError: It is not a result, cannot be read, or its `Date` cannot be right.
    """
    server_time = read_date(response.headers.get("Date"))
    request_id = credentials.hide(response.headers.get("Request-Id")) or None
    status = response.status
    if status not in {200, 204}:
        raise _error(response, operation, credentials, now=server_time or now, request_id=request_id)
    if server_time is not None and abs(server_time - now) > CLOCK_TOLERANCE:
        raise ServerFault(
            f"the Date of the response is {server_time:%Y-%m-%d %H:%M} UTC, and this machine's clock says "
            f"{now:%Y-%m-%d %H:%M}: they are more than a day apart. Set this machine's clock if it is wrong",
            operation,
            request_id,
            status,
        )
    try:
        content = decode(response.body) if status == 200 else None
    except UnreadableBody as fault:
        raise ServerFault(credentials.hide(str(fault)), operation, request_id, status) from None
    return ApiResponse(content, status, server_time, request_id)


def read_date(header: str | None) -> datetime | None:
    """Return the date-time in a header, in UTC; None without a valid one."""
    if header is None:
        return None
    try:
        moment = parsedate_to_datetime(header)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):  # the standard library raises each of them for some
        return None


def _error(
    response: HttpResponse, operation: str, credentials: Credentials, *, now: datetime, request_id: str | None
) -> MewsError:
    """Return the exception for a response that is not a result."""
    status = response.status
    try:
        body = msgspec.json.decode(response.body, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = _ErrorBody()
    said = credentials.hide(body.message) or "the server gives no reason"
    if 300 <= status < 400:
        said = f"the server redirects to {credentials.hide(response.headers.get('Location'))}"
    kind, meaning = _ERRORS.get(status) or (
        (ServerFault, "the server failed") if status >= 500 or status < 300 else (RequestRefused, "refused")
    )
    error = kind(f"{meaning}: {said}", operation, credentials.hide(body.request_id) or request_id, status)
    if isinstance(error, TooManyRequests):
        error.retry_after = _retry_after(response.headers.get("Retry-After"), now)
    return error


def _retry_after(header: str | None, now: datetime) -> float | None:
    """Return the seconds that `Retry-After` asks for, as a number or as a date; None without one within the bounds."""
    if header is not None and _SECONDS.fullmatch(header.strip()):
        seconds = float(header)
    elif (until := read_date(header)) is not None:
        seconds = (until - now).total_seconds()
    else:
        return None
    return seconds if SHORTEST_RETRY_AFTER <= seconds <= LONGEST_RETRY_AFTER else None
