"""Connections to the API: httpx as requests are written, aiohttp on the wire below it.

httpx's own way to the wire is written in Python throughout; aiohttp's parser is compiled, and receiving a page of 1,000
orders costs a third of the CPU. Add here what concerns connections and what broke on them, in words. What is sent, and
what follows from a failure, is decided in `client`.
"""

import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from functools import cache
from types import SimpleNamespace
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream

from pso_pipeline.mews.tokens import SecretBytes

AiohttpResponseStream.CHUNK_SIZE = 256 * 1024
"""As much as asyncio takes from a socket at once. A page comes in 47 parts where 16 KB are taken at a time, and each
takes a turn of the event loop of its own."""

BEFORE_SENDING: ContextVar[Callable[[], Awaitable[object]] | None] = ContextVar("before_sending", default=None)
"""What a task awaits when its request has a connection and is about to be sent."""

BROKEN = (httpx.HTTPError, aiohttp.ClientError, TimeoutError)
"""What a request can end with in place of an answer."""


class SecretRequest(httpx.Request):
    """A request whose body shows itself as `***` in the frames of those who send it."""

    @property
    def content(self) -> bytes:
        """The body as it is sent."""
        return SecretBytes(super().content)


def open_http(address: str, timeout: httpx.Timeout, connections: int) -> httpx.AsyncClient:
    """Make a client for one address that keeps so many connections, through the proxy that the environment names.

    An httpx client that is given a transport asks no environment for proxies, hence here.
    """
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    transport = _Transport(
        verify=_trust(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
        limits=limits,
        proxy=_proxy_for(httpx.URL(address)),
    )
    return httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False)


def is_unreachable(error: Exception) -> bool:
    """Tell whether a request ended before anything was sent: there is no connection, not even to the proxy."""
    return isinstance(
        error.__cause__,
        aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.ClientHttpProxyError,
    )


def why_unreachable(error: Exception) -> str:
    """Say why there is no connection, in words."""
    for cause in _causes(error):
        if (reason := _reason(cause)) is not None:
            return reason
    return str(error) or type(error).__name__


def what_broke(error: Exception) -> str:
    """Say what went wrong on a connection, in words."""
    # httpx-aiohttp makes ConnectTimeout of a connection that the server closed too; aiohttp's own exception tells
    if isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError):
        return "the answer did not come within the time"
    if isinstance(error, httpx.DecodingError):
        return f"the body could not be unpacked: {error}"
    return f"the connection broke: {error}"


class _Transport(AiohttpTransport):
    """aiohttp's connections under httpx's timeouts and limits, which tell a task before its request is sent."""

    def get_client(self) -> aiohttp.ClientSession:
        telling = aiohttp.TraceConfig()
        telling.on_connection_create_end.append(_tell)
        telling.on_connection_reuseconn.append(_tell)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self.limits.max_connections or 0,
                keepalive_timeout=self.limits.keepalive_expiry,
                ssl=self.ssl_context,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[telling],
        )


async def _tell(_session: aiohttp.ClientSession, _context: SimpleNamespace, _told: object) -> None:
    before_sending = BEFORE_SENDING.get()
    if before_sending is not None:
        await before_sending()


@cache
def _trust(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Load the authorities that these variables name, or those of certifi: 50 ms, which each step would take."""
    return httpx.create_ssl_context()


def _proxy_for(address: httpx.URL) -> httpx.Proxy | None:
    """Read from the environment (HTTPS_PROXY, NO_PROXY) through which proxy an address is reached, if any."""
    if proxy_bypass(address.host):
        return None
    proxies = getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if not proxy:
        return None
    return httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")


def _reason(cause: BaseException) -> str | None:
    """What a cause says of itself; None for those of aiohttp that only wrap another."""
    reason: str | None = None
    match cause:
        case aiohttp.ClientConnectorError():
            pass
        case socket.gaierror():
            reason = "its name does not resolve"
        case ConnectionRefusedError():
            reason = "nothing listens there"
        case ssl.SSLCertVerificationError():
            reason = f"its certificate is not trusted: {cause.verify_message}"
        case aiohttp.ConnectionTimeoutError():
            reason = "no connection within the time"
        case ssl.SSLError():
            reason = f"no secure connection: {cause.reason}"
        case OSError(strerror=str(told)):
            reason = told
    return reason


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and everything that led to it."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _causes(part)
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _causes(cause)
