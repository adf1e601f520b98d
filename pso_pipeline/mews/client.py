"""The transport: one request to the API, sent politely and tried again where that can help, and its answer read.

Add here what concerns a single request: how it is sent, how a failure is recognised, what is counted. Pages stand in
`pagination`, the exceptions in `errors`.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import httpx
import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from pso_pipeline.contract.limits import MAX_PAGE_BYTES
from pso_pipeline.mews.circuit import Circuit
from pso_pipeline.mews.clock import Clock
from pso_pipeline.mews.connections import (
    BEFORE_SENDING,
    BROKEN,
    SecretRequest,
    is_unreachable,
    open_http,
    what_broke,
    why_unreachable,
)
from pso_pipeline.mews.errors import (
    CircuitOpen,
    MewsError,
    OversizedAnswer,
    RequestRefused,
    ServerFault,
    TokenRefused,
    TooHeavy,
    TooLarge,
    TooManyRequests,
    Unreachable,
)
from pso_pipeline.mews.limiter import Held, Limits, TokenLimiter
from pso_pipeline.mews.patience import Budget, Patience
from pso_pipeline.mews.records import R, UnreadableBody
from pso_pipeline.mews.requests import GetAll
from pso_pipeline.mews.tokens import SecretBytes, Token, mask
from pso_pipeline.text import for_markdown, for_terminal

_LOG = logging.getLogger(__name__)

_API = "/api/connector/v1/"

_HEADERS = {
    "Accept": "application/json",
    # Unpacking costs 2.4 µs an order, more than receiving it does; the bodies are 4 times larger without, 40 Mbit/s at
    # the documented limit.
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "pso-pipeline",
}

_LONGEST_MESSAGE = 300
"""Characters of the server's own message that are shown."""

_LONGEST_REASON = 1024 * 1024
"""Bytes that are read of an answer that is not a result."""

_RETRY_AFTER = (1.0, 600.0)
"""Seconds between which `Retry-After` is obeyed; anything else is replaced by backoff."""

_CLOCK_TOLERANCE = timedelta(days=1)
"""How far the server's clock and the local one may be apart for an answer to be believed."""

_FAILURES: dict[int, tuple[type[MewsError], str]] = {
    httpx.codes.UNAUTHORIZED: (TokenRefused, "the token was refused"),
    httpx.codes.REQUEST_TIMEOUT: (TooHeavy, "too heavy for the server"),
    httpx.codes.REQUEST_ENTITY_TOO_LARGE: (TooLarge, "too large for the server"),
}
"""What these states mean. Any other 4xx is a refusal, as is a redirect; the rest is the server's fault."""

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]+)?")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: for a connection, for the next bytes, to send, for a free connection, and for all of it.

    The server itself gives a heavy request up (408) after some tens of seconds, which `read` must outlast.
    """

    connect: float = 10.0
    read: float = 90.0
    write: float = 30.0
    pool: float = 120.0
    total: float = 300.0


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What came back: the content as the caller's `read` made it, None for 204; the server's own time from `Date`."""

    content: T | None
    status: int
    server_time: datetime | None
    request_id: str | None


@dataclass(slots=True)
class Tally:
    """What one operation has cost so far: requests sent, retries among them, 429s, bytes of answers as they came."""

    requests: int = 0
    retries: int = 0
    too_many_requests: int = 0
    bytes_received: int = 0


class _ErrorBody(msgspec.Struct, rename="pascal"):
    """The body of an error, where the server sent one."""

    message: str | None = None
    request_id: str | None = None


class MewsClient:
    """A client of the API at one platform address, for one event loop; an asynchronous context manager.

    `client_name` is sent as `Client`. Requests of a token are limited together with those of every process that uses
    the same `state_dir`. Raises ValueError for an address that is not one.
    """

    def __init__(
        self,
        platform_address: str,
        client_token: Token,
        *,
        client_name: str,
        state_dir: Path,
        limits: Limits | None = None,
        patience: Patience | None = None,
        timeouts: Timeouts | None = None,
        connections: int = 64,
        clock: Clock | None = None,
    ) -> None:
        self._address = _checked(platform_address)
        self._client_token = client_token
        self._client_name = client_name
        self._state_dir = state_dir
        self._limits = limits or Limits()
        self._patience = patience or Patience()
        self._timeouts = timeouts or Timeouts()
        self._clock = clock or Clock()
        self._circuit = Circuit(self._address, self._clock)
        self._limiters: dict[str, TokenLimiter] = {}
        self._tallies: dict[str, Tally] = {}
        self._has_answered = False
        self._http = open_http(
            self._address,
            httpx.Timeout(
                connect=self._timeouts.connect,
                read=self._timeouts.read,
                write=self._timeouts.write,
                pool=self._timeouts.pool,
            ),
            connections,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections and the limiter's files."""
        await self._http.aclose()
        for limiter in self._limiters.values():
            limiter.close()
        self._limiters.clear()

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """What each operation has cost so far, by its name."""
        return self._tallies

    def shown(self, text: str, access_token: Token) -> str:
        """A text of the server, fit to be shown anywhere: one short line without tokens, links and markup."""
        return _one_line(text, (self._client_token, access_token))

    async def call(self, request: GetAll[R], access_token: Token, read: Callable[[bytes], T]) -> Answer[T]:
        """Send one request and return its answer, with the body made into what `read` returns.

        `read` raises UnreadableBody for a body that is not what the operation promises, which is a fault of the server.
        Raises the exceptions of `errors` but RepeatedCursor; retriable ones only when the patience is at its end.
        """
        budget = Budget(self._patience, self._clock, is_first_contact=not self._has_answered)
        tally = self._tallies.setdefault(request.operation, Tally())

        def before_retry(state: RetryCallState) -> None:
            failure = state.outcome.exception() if state.outcome else None
            if isinstance(failure, CircuitOpen):
                _LOG.debug("%s; looking again in %.1f s", failure, state.upcoming_sleep)
                return
            _LOG.warning("%s; trying again in %.1f s", failure, state.upcoming_sleep)
            tally.retries += 1

        patiently = AsyncRetrying(
            retry=retry_if_exception_type((ServerFault, Unreachable, CircuitOpen)),
            wait=budget.pause,
            stop=budget.is_spent,
            sleep=self._clock.sleep,
            before_sleep=before_retry,
            reraise=True,
        )
        try:
            return await patiently(self._send_politely, request, access_token, read, budget, tally)
        except CircuitOpen:
            if budget.last_failure is None:
                raise
        raise budget.last_failure

    async def _send_politely(
        self, request: GetAll[R], access_token: Token, read: Callable[[bytes], T], budget: Budget, tally: Tally
    ) -> Answer[T]:
        """Send one request when its token has a turn, again after each 429."""
        limiter = self._limiter_of(access_token)
        refusals = 0
        while True:
            self._circuit.check(request.operation)
            await self._wait_for_turn(limiter, request.operation, budget)
            try:
                return await self._send(request, access_token, read, limiter, tally)
            except TooManyRequests as refusal:
                tally.too_many_requests += 1
                refusals += 1
                seconds = refusal.retry_after or self._patience.hold_after(refusals)
                limiter.hold(seconds)
                if seconds > budget.hold_left:
                    raise
                _LOG.warning("%s; holding the token's requests for %.1f s", refusal, seconds)

    async def _wait_for_turn(self, limiter: TokenLimiter, operation: str, budget: Budget) -> None:
        try:
            budget.held += await limiter.wait_for_turn(budget.hold_left)
        except Held as hold:
            raise TooManyRequests(
                f"not sent: the token is on hold for another {hold.seconds:.0f} s after too many requests",
                operation,
                retry_after=hold.seconds,
            ) from None

    async def _send(
        self,
        request: GetAll[R],
        access_token: Token,
        read: Callable[[bytes], T],
        limiter: TokenLimiter,
        tally: Tally,
    ) -> Answer[T]:
        with self._circuit.passage(request.operation):
            tally.requests += 1
            response, body = await self._post(request, access_token, limiter)
            self._has_answered = True
            tally.bytes_received += response.num_bytes_downloaded
            secrets = (self._client_token, access_token)
            server_time = _moment(response.headers.get("Date"))
            request_id = _one_line(response.headers.get("Request-Id"), secrets) or None
            if response.status_code in {httpx.codes.OK, httpx.codes.NO_CONTENT}:
                self._check_clock(server_time, request.operation, request_id, response.status_code)
            if response.status_code == httpx.codes.NO_CONTENT:
                return Answer(None, response.status_code, server_time, request_id)
            if response.status_code != httpx.codes.OK:
                raise self._failure(
                    response,
                    body,
                    request.operation,
                    secrets=secrets,
                    server_time=server_time,
                    request_id=request_id,
                )
            try:
                content = read(body)
            except UnreadableBody as fault:
                raise ServerFault(
                    _one_line(str(fault), secrets), request.operation, request_id, response.status_code
                ) from None
            return Answer(content, response.status_code, server_time, request_id)

    def _check_clock(self, server_time: datetime | None, operation: str, request_id: str | None, status: int) -> None:
        """Refuse an answer whose time would be taken for the time of what it holds, and cannot be right."""
        now = self._now()
        if server_time is not None and abs(server_time - now) > _CLOCK_TOLERANCE:
            raise ServerFault(
                f"the Date of the answer is {server_time:%Y-%m-%d %H:%M} UTC, and this machine's clock says "
                f"{now:%Y-%m-%d %H:%M}: they are more than a day apart. Set this machine's clock if it is wrong",
                operation,
                request_id,
                status,
            )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall(), UTC)

    async def _post(
        self, request: GetAll[R], access_token: Token, limiter: TokenLimiter
    ) -> tuple[httpx.Response, bytes]:
        """Send one request; return its answer and the body.

        A response of httpx and its stream hold each other, so that a body that it keeps stays until Python looks for
        garbage: 200 MB of them in the read of a million orders.
        """
        turn_taken = self._clock.steady()

        async def be_on_time() -> None:
            # A new connection can take seconds (a lost packet alone costs one). A request that late would arrive among
            # those of another window, so it takes another turn.
            if self._clock.steady() - turn_taken > self._limits.margin_seconds / 2:
                await limiter.wait_for_turn()

        failure: MewsError
        told = BEFORE_SENDING.set(be_on_time)
        try:
            async with asyncio.timeout(self._timeouts.total):
                response = await self._http.send(self._written(request, access_token), stream=True)
                async with contextlib.aclosing(response):
                    return response, await self._body(response, request.operation, access_token)
        except BROKEN as error:
            if is_unreachable(error):
                failure = Unreachable(f"{self._address} cannot be reached: {why_unreachable(error)}", request.operation)
            else:
                secrets = (self._client_token, access_token)
                failure = ServerFault(_one_line(what_broke(error), secrets), request.operation)
        finally:
            BEFORE_SENDING.reset(told)
        # Outside the handlers, so that the exception of httpx is not its context: that one holds the request, and with
        # it the tokens in its body.
        raise failure

    async def _body(self, response: httpx.Response, operation: str, access_token: Token) -> bytes:
        """Read the body of an answer; of one that is not a result, as much as can hold a reason.

        A packed body is refused: nothing says how large it is unpacked, and none was asked for.
        """
        is_result = response.status_code == httpx.codes.OK
        packing = response.headers.get("Content-Encoding", "").strip().lower()
        if packing not in {"", "identity"}:
            if not is_result:
                return b""
            packing = self.shown(packing, access_token)
            raise ServerFault(f"the body is packed ({packing}), which was not asked for", operation)
        parts, size, limit = [], 0, MAX_PAGE_BYTES if is_result else _LONGEST_REASON
        async for part in response.aiter_raw():
            size += len(part)
            if size > limit:
                break
            parts.append(part)
        if is_result and size > limit:
            raise OversizedAnswer(f"the body is over {limit // 1024**2} MB", operation)
        return SecretBytes(b"".join(parts))

    def _written(self, request: GetAll[R], access_token: Token) -> SecretRequest:
        return SecretRequest(
            "POST",
            f"{self._address}{_API}{request.operation}",
            headers=_HEADERS,
            content=SecretBytes(
                msgspec.json.encode(
                    {
                        "ClientToken": self._client_token.reveal(),
                        "AccessToken": access_token.reveal(),
                        "Client": self._client_name,
                        **request.body(),
                    }
                )
            ),
            extensions={"timeout": self._http.timeout.as_dict()},
        )

    def _failure(
        self,
        response: httpx.Response,
        content: bytes,
        operation: str,
        *,
        secrets: tuple[Token, ...],
        server_time: datetime | None,
        request_id: str | None,
    ) -> MewsError:
        """The exception for an answer that is not a result."""
        status = response.status_code
        try:
            body = msgspec.json.decode(content, type=_ErrorBody)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = _ErrorBody()
        said = _one_line(body.message, secrets) or "the server gives no reason"
        request_id = _one_line(body.request_id, secrets) or request_id
        if status == httpx.codes.TOO_MANY_REQUESTS:
            retry_after = self._retry_after(response.headers.get("Retry-After"), server_time)
            return TooManyRequests(f"too many requests: {said}", operation, request_id, status, retry_after=retry_after)
        if response.has_redirect_location:
            target = mask(for_terminal(response.headers["Location"]), secrets)[:_LONGEST_MESSAGE]
            said = f"{self._address} redirects to {target}"
        kind, what = _FAILURES.get(status) or (
            (ServerFault, "the server failed") if status >= 500 or status < 300 else (RequestRefused, "refused")
        )
        return kind(f"{what}: {said}", operation, request_id, status)

    def _retry_after(self, header: str | None, server_time: datetime | None) -> float | None:
        """Seconds that `Retry-After` asks for, as a number or until a date on the server's clock.

        None without one that is within bounds.
        """
        if header is None:
            return None
        if _SECONDS.fullmatch(header.strip()):
            seconds = float(header)
        elif (until := _moment(header)) is not None:
            seconds = (until - (server_time or self._now())).total_seconds()
        else:
            return None
        shortest, longest = _RETRY_AFTER
        return seconds if shortest <= seconds <= longest else None

    def _limiter_of(self, token: Token) -> TokenLimiter:
        if token.fingerprint not in self._limiters:
            self._limiters[token.fingerprint] = TokenLimiter(
                self._state_dir, token.fingerprint, self._limits, self._clock
            )
        return self._limiters[token.fingerprint]


def _checked(address: str) -> str:
    """The platform address without a slash at its end."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as fault:
        raise ValueError(f"the platform address is not an address: {fault}") from None
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise ValueError("the platform address is of the form https://host, without user, query or fragment")
    return address.rstrip("/")


def _moment(header: str | None) -> datetime | None:
    """The date-time in a header, in UTC; None where there is none."""
    if header is None:
        return None
    try:
        moment = parsedate_to_datetime(header)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):  # all of which the standard library raises for some
        return None


def _one_line(text: str | None, secrets: tuple[Token, ...]) -> str:
    """What the server said, fit to be shown anywhere: without tokens, links and markup, in one line, not too long."""
    line = for_markdown(mask(for_terminal(text or ""), secrets))
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"
