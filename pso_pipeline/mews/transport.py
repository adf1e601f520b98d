"""One HTTP exchange: the body of a request goes out, a bounded body comes back.

Holds the connections, the timeouts, the limit of a body, and the words for a connection that breaks. httpx reads
proxies (HTTPS_PROXY, NO_PROXY) and certificates (SSL_CERT_FILE, SSL_CERT_DIR) from the environment. What a response
means is decided in `responses`; whether the request is sent again, in `retry`.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import cache

import httpx

from pso_pipeline.contract.limits import MAX_PAGE_BYTES
from pso_pipeline.mews.errors import MewsError, OversizedResponse, ServerFault, Unreachable
from pso_pipeline.mews.tokens import Credentials, SecretBytes

_HEADERS = {
    "Accept": "application/json",
    # a limit of the compressed body says nothing about the decompressed one
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "pso-pipeline",
}

_MAX_REASON_BYTES = 1024 * 1024
"""How much is read of a response that is not a result."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: for a connection, for the next bytes, and for the whole response.

    The server itself ends a heavy request (408) after some tens of seconds, which `read` must outlast.
    """

    connect: float = 10.0
    read: float = 90.0
    total: float = 300.0


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response as it arrived."""

    status: int
    headers: httpx.Headers
    body: bytes


class Transport:
    """The connections to one platform address."""

    def __init__(self, address: str, timeouts: Timeouts, connections: int) -> None:
        self._address = address
        self._total_seconds = timeouts.total
        self._http = httpx.AsyncClient(
            headers=_HEADERS,
            timeout=httpx.Timeout(timeouts.read, connect=timeouts.connect, pool=None),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            verify=_ssl_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def post(
        self,
        path: str,
        body: SecretBytes,
        *,
        operation: str,
        credentials: Credentials,
        before_sending: Callable[[], Awaitable[None]],
    ) -> HttpResponse:
        """Send one request and return its response. `before_sending` runs when the connection is ready.

        Raises:
            Unreachable: There is no connection, not even to the proxy.
            ServerFault: The response did not arrive complete, or has an encoding that the request did not allow.
            OversizedResponse: The body is over the limit.
        """

        async def trace(event: str, _info: object) -> None:
            if event == "http11.send_request_headers.started":
                await before_sending()

        failure: MewsError
        try:
            async with (
                asyncio.timeout(self._total_seconds),
                self._http.stream(
                    "POST", f"{self._address}{path}", content=body, extensions={"trace": trace}
                ) as response,
            ):
                content = await _read_body(response, operation, credentials)
                return HttpResponse(response.status_code, response.headers, content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            failure = Unreachable(f"{self._address} cannot be reached: {_why_unreachable(error)}", operation)
        except (httpx.TimeoutException, TimeoutError):
            failure = ServerFault("the response did not arrive within the time limit", operation)
        except httpx.HTTPError as error:
            failure = ServerFault(credentials.hide(f"the connection broke: {error}"), operation)
        except (MewsError, asyncio.CancelledError) as error:
            # the frames of httpx hold the body of the request, and with it the tokens
            raise error.with_traceback(None) from None
        # outside the handlers, so that the exception of httpx, which holds the request, is not its context
        raise failure


@cache
def _ssl_context(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Read the certificates that the environment names, once for the process: that takes longer than a request."""
    return httpx.create_ssl_context()


async def _read_body(response: httpx.Response, operation: str, credentials: Credentials) -> SecretBytes:
    """Read the body of a result up to the limit; of any other response, no more than can hold a reason."""
    is_result = response.status_code == httpx.codes.OK
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        if not is_result:
            return SecretBytes()
        raise ServerFault(f"the body is encoded ({credentials.hide(encoding)}), which was not asked for", operation)
    limit = MAX_PAGE_BYTES if is_result else _MAX_REASON_BYTES
    parts, size = [], 0
    async for part in response.aiter_raw():
        size += len(part)
        if size > limit:
            if not is_result:
                return SecretBytes()
            raise OversizedResponse(f"the body is over {limit // 1024**2} MB", operation)
        parts.append(part)
    return SecretBytes(b"".join(parts))


def _why_unreachable(error: Exception) -> str:
    for cause in _causes(error):
        match cause:
            case socket.gaierror():
                return "its name does not resolve"
            case ConnectionRefusedError():
                return "nothing listens there"
            case httpx.ConnectTimeout():
                return "no connection within the time limit"
            case ssl.SSLCertVerificationError():
                return f"its certificate is not trusted: {cause.verify_message}"
            case ssl.SSLError():
                return f"no secure connection: {cause.reason}"
    return str(error) or type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything that led to it."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _causes(part)
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _causes(cause)
