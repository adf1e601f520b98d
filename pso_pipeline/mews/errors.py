"""What can go wrong between this program and the API, sorted by what to do next.

    MewsError
    ├── Retriable                the client has already tried again, for as long as its patience lasts
    │   ├── ServerFault          5xx, a broken connection, a cut or unreadable body, a timeout, a clock far off
    │   │   └── OversizedAnswer  a body over the limit: a smaller page
    │   ├── TooManyRequests      429: every request of the token is held back until the time is over
    │   ├── Unreachable          the name does not resolve, nobody listens: look at the address
    │   └── CircuitOpen          not sent at all: the server has been down for a while
    ├── AskForLess               the same question, smaller
    │   ├── TooHeavy             408: a smaller page, then a shorter interval
    │   └── TooLarge             413: fewer ids
    ├── Permanent                asking again cannot help
    │   ├── RequestRefused       400, 403, 404: this request only
    │   └── TokenRefused         401: everything behind this token
    └── EndlessWalk              the pages do not come to an end: the walk is given up
        └── RepeatedCursor       they lead back to where they came from: the walk may start again from the top

Add an exception here when something else is to be done about it; a new reason for the same step is a message. A message
is one line, bears the RequestId, and never a token or the body of a request. How a failure is recognised stands in
`client`. What is wrong before anything is sent is a `requests.InvalidParameter` or a `limiter.LimiterUnusable`.
"""


class MewsError(Exception):
    """A request to the API did not bring what was asked for.

    `operation` is for example `services/getAll`; `status` the HTTP status, None where no answer came; `request_id`
    what Mews' support asks for.
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
    """It may work later."""


class ServerFault(Retriable):
    """The server failed, or its answer did not arrive whole."""


class OversizedAnswer(ServerFault):
    """The body of the answer is over the limit of what is read."""


class TooManyRequests(Retriable):
    """The token has used up its requests; `retry_after` seconds are left, None where the server did not say."""

    def __init__(
        self,
        message: str,
        operation: str,
        request_id: str | None = None,
        status: int | None = None,
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, operation, request_id, status)
        self.retry_after = retry_after


class Unreachable(Retriable):
    """Nothing answers at the platform address."""


class CircuitOpen(Retriable):
    """The request was not sent, because the server has been failing for `down_seconds`; try in `wait_seconds`."""

    def __init__(
        self,
        message: str,
        operation: str,
        request_id: str | None = None,
        status: int | None = None,
        *,
        wait_seconds: float = 0.0,
        down_seconds: float = 0.0,
    ) -> None:
        super().__init__(message, operation, request_id, status)
        self.wait_seconds = wait_seconds
        self.down_seconds = down_seconds


class AskForLess(MewsError):
    """The server can answer a smaller question."""


class TooHeavy(AskForLess):
    """The answer took the server too long, even on the smallest page."""


class TooLarge(AskForLess):
    """The body of the request was too large: split its lists of ids."""


class Permanent(MewsError):
    """Asking again cannot help."""


class RequestRefused(Permanent):
    """The server refuses this request."""


class TokenRefused(Permanent):
    """The server refuses the token: wrong, expired, without the permission, or its enterprise was disabled."""


class EndlessWalk(MewsError):
    """A walk has read more pages than any data fill."""


class RepeatedCursor(EndlessWalk):
    """The pages of a walk lead back to where it has been: a cursor that it has followed, or page upon page known."""
