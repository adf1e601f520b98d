"""Errors of requests to the API, sorted by what happens next.

    MewsError
    ├── Retriable                 the client has retried for as long as its retry policy allows
    │   ├── ServerFault           5xx, a broken connection, a truncated or unreadable body, a timeout, a wrong clock
    │   ├── TooManyRequests       429: all requests of the token pause
    │   ├── Unreachable           no connection: check the address
    │   └── CircuitOpen           not sent, because the API has been failing
    ├── AskForLess                the same request, smaller
    │   ├── TooHeavy              408: a smaller page, then a shorter interval
    │   ├── OversizedResponse     a body over the limit: a smaller page
    │   └── TooLarge              413: fewer ids
    ├── Permanent                 a retry cannot help
    │   ├── RequestRefused        400, 403, 404: this request only
    │   └── TokenRefused          401: everything behind this token
    └── EndlessWalk               the pages do not end: the walk is given up
        └── RepeatedCursor        the pages lead back to one that was read: the walk may start again from the top

Add an exception here when the next step is a new one; a new reason for the same step is a message. A message is one
line and contains the RequestId, and never a token or the body of a request. How a failure is recognized is in
`responses` and `transport`. What is wrong before anything is sent is a `requests.InvalidParameter` or a
`limiter.store.LimiterUnusable`.
"""


class MewsError(Exception):
    """A request to the API failed.

    `operation` is for example `services/getAll`; `status` the HTTP status, None without a response; `request_id` what
    Mews' support asks for.
    """

    def __init__(
        self,
        message: str,
        operation: str,
        request_id: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, operation, request_id, status)
        self.message = message
        self.operation = operation
        self.request_id = request_id
        self.status = status

    def __str__(self) -> str:
        facts = []
        if self.status is not None:
            facts.append(f"status {self.status}")
        if self.request_id:
            facts.append(f"RequestId {self.request_id}")
        return f"{self.operation}: {self.message}" + (f" ({', '.join(facts)})" if facts else "")


class Retriable(MewsError):
    """It may work later: in `retry_after` seconds, where that is known."""

    retry_after: float | None = None


class ServerFault(Retriable):
    """The server failed, or its response did not arrive complete."""


class TooManyRequests(Retriable):
    """The token has used up its requests. Without a `status` the request was not sent."""


class Unreachable(Retriable):
    """There is no connection to the platform address."""


class CircuitOpen(Retriable):
    """The request was not sent, because the API has been failing; without `retry_after`, for too long to wait."""


class AskForLess(MewsError):
    """The server can answer a smaller request."""


class TooHeavy(AskForLess):
    """The request took the server too long."""


class OversizedResponse(AskForLess):
    """The body of the response is over the limit of what is read."""


class TooLarge(AskForLess):
    """The body of the request was too large: split its lists of ids."""


class Permanent(MewsError):
    """A retry cannot help."""


class RequestRefused(Permanent):
    """The server refuses this request."""


class TokenRefused(Permanent):
    """The server refuses the token: wrong, expired, without the permission, or its enterprise was disabled."""


class EndlessWalk(MewsError):
    """A walk has read more pages than any data fill."""


class RepeatedCursor(EndlessWalk):
    """The pages of a walk lead back to where it has been: a cursor that it has followed, or page upon page known."""
