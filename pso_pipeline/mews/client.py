"""The client: one request to the API, sent within the rate limit and repeated while that can help.

Add here what joins the parts: `transport` sends, `responses` reads, `limiter`, `circuit` and `retry` decide when. Pages
are in `pagination`, the exceptions in `errors`.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypeVar

import httpx
import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from pso_pipeline.mews.circuit import CircuitBreaker
from pso_pipeline.mews.clock import Clock
from pso_pipeline.mews.errors import CircuitOpen, MewsError, Retriable, TooManyRequests
from pso_pipeline.mews.limiter.store import LimiterStore
from pso_pipeline.mews.limiter.turns import RateLimit, RateLimiter
from pso_pipeline.mews.requests import GetAll
from pso_pipeline.mews.responses import ApiResponse, read_response
from pso_pipeline.mews.retry import Retries, RetryPolicy
from pso_pipeline.mews.tokens import Credentials, SecretBytes, Token
from pso_pipeline.mews.transport import HttpResponse, Timeouts, Transport

_LOG = logging.getLogger(__name__)

_PATH = "/api/connector/v1/"

T = TypeVar("T")


@dataclass(slots=True)
class Tally:
    """What one operation has cost: requests sent, retries among them, 429s, bytes of bodies received."""

    requests: int = 0
    retries: int = 0
    too_many_requests: int = 0
    bytes_received: int = 0


class MewsClient:
    """A client of the API at one platform address, for one event loop; an asynchronous context manager.

    The API sees `client_name` as `Client`. The rate limit of a token covers all processes that use the same
    `limiter_store`, which the client closes. Raises ValueError for an address that is not one.
    """

    def __init__(
        self,
        platform_address: str,
        client_token: Token,
        *,
        client_name: str,
        limiter_store: LimiterStore,
        rate_limit: RateLimit | None = None,
        retry_policy: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        connections: int = 64,
        clock: Clock | None = None,
    ) -> None:
        address = _checked(platform_address)
        self._client_token = client_token
        self._client_name = client_name
        self._limiter_store = limiter_store
        self._rate_limit = rate_limit or RateLimit()
        self._retry_policy = retry_policy or RetryPolicy()
        self._clock = clock or Clock()
        self._transport = Transport(address, timeouts or Timeouts(), connections)
        self._circuit = CircuitBreaker(address, self._retry_policy, self._clock)
        self._limiters: dict[Token, RateLimiter] = {}
        self._tallies: dict[str, Tally] = {}
        self._has_responded = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections and the store of the rate limiters."""
        await self._transport.aclose()
        for limiter in self._limiters.values():
            limiter.close()
        self._limiters.clear()
        self._limiter_store.close()

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """What each operation has cost, by its name."""
        return self._tallies

    def hide_tokens(self, text: str, access_token: Token) -> str:
        """Return a text of the server as one short line without tokens, links and markup."""
        return Credentials(self._client_token, access_token).hide(text)

    async def call(self, request: GetAll, access_token: Token, decode: Callable[[bytes], T]) -> ApiResponse[T]:
        """Send one request and return its result, with the body as `decode` returns it.

        `decode` raises UnreadableBody for a body that is not what the operation promises, which is a fault of the
        server. Raises the exceptions of `errors` but EndlessWalk; Retriable only when the retry policy ends.
        """
        credentials = Credentials(self._client_token, access_token)
        tally = self._tallies.setdefault(request.operation, Tally())
        retries = Retries(self._retry_policy, self._clock, is_first_contact=not self._has_responded)

        def note_retry(state: RetryCallState) -> None:
            failure = state.outcome.exception() if state.outcome else None
            was_sent = not isinstance(failure, CircuitOpen | TooManyRequests)
            tally.retries += was_sent
            is_news = was_sent or getattr(failure, "status", None) == httpx.codes.TOO_MANY_REQUESTS
            _LOG.log(
                logging.WARNING if is_news else logging.DEBUG, "%s; retry in %.1f s", failure, state.upcoming_sleep
            )

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Retriable),
            wait=retries.wait,
            stop=retries.stop,
            sleep=self._clock.sleep,
            before_sleep=note_retry,
            reraise=True,
        )
        return await retrying(self._attempt, request, credentials, decode, retries, tally)

    async def _attempt(
        self,
        request: GetAll,
        credentials: Credentials,
        decode: Callable[[bytes], T],
        retries: Retries,
        tally: Tally,
    ) -> ApiResponse[T]:
        """Send one request as soon as the circuit breaker and the rate limit allow."""
        limiter = self._limiter_of(credentials.access_token)
        self._circuit.check(request.operation)
        await limiter.wait_for_turn(request.operation)
        tally.requests += 1
        try:
            received = await self._send(request, credentials, limiter)
            self._has_responded = True
            tally.bytes_received += len(received.body)
            now = datetime.fromtimestamp(self._clock.wall(), UTC)
            response = read_response(received, request.operation, credentials, now, decode)
        except MewsError as failure:
            self._circuit.record(failure)
            if isinstance(failure, TooManyRequests) and failure.status is not None:
                tally.too_many_requests += 1
                failure.retry_after = retries.pause(failure)
                await limiter.pause(failure.retry_after)
            raise
        self._circuit.record(None)
        return response

    async def _send(self, request: GetAll, credentials: Credentials, limiter: RateLimiter) -> HttpResponse:
        turn_taken = self._clock.steady()

        async def take_another_turn_if_late() -> None:
            # A new connection can take seconds (a lost packet alone costs one). A request that late would arrive among
            # those of another window.
            if self._clock.steady() - turn_taken > self._rate_limit.margin_seconds / 2:
                await limiter.wait_for_turn(request.operation)

        return await self._transport.post(
            f"{_PATH}{request.operation}",
            SecretBytes(
                msgspec.json.encode(
                    {
                        "ClientToken": credentials.client_token.reveal(),
                        "AccessToken": credentials.access_token.reveal(),
                        "Client": self._client_name,
                        **request.body(),
                    }
                )
            ),
            operation=request.operation,
            credentials=credentials,
            before_sending=take_another_turn_if_late,
        )

    def _limiter_of(self, token: Token) -> RateLimiter:
        if token not in self._limiters:
            self._limiters[token] = RateLimiter(self._limiter_store, token.fingerprint, self._rate_limit, self._clock)
        return self._limiters[token]


def _checked(address: str) -> str:
    """Return the platform address without a slash at its end."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as fault:
        raise ValueError(f"the platform address is not an address: {fault}") from None
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise ValueError("the platform address is of the form https://host, without user, query or fragment")
    return address.rstrip("/")
