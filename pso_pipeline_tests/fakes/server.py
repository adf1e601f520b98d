"""Serves a world to a test: the sandbox's application, with faults and a request log around it.

The application itself knows neither. Each fault is carried out here, on the request or on the response.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pso_pipeline.sandbox import contract
from pso_pipeline.sandbox.app import OPERATIONS, Application, RefusedError, World
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.contract import Operation
from pso_pipeline.sandbox.limits import REQUESTS_PER_WINDOW, WINDOW_SECONDS, RateLimit
from pso_pipeline.sandbox.server import Server, address_of, listen
from pso_pipeline_tests.fakes.faults import (
    Answer,
    Disconnect,
    Fault,
    Faults,
    Garble,
    Hang,
    Hold,
    OtherHeaders,
    ShortPage,
    Slow,
    WithoutDate,
)
from pso_pipeline_tests.fakes.log import RequestLog

W = TypeVar("W", bound=World)
Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sandbox(Generic[W]):
    """A sandbox that answers on this machine."""

    address: str
    world: W
    faults: Faults
    requests: RequestLog

    @property
    def clock(self) -> Clock:
        """The server's clock."""
        return self.world.clock


@contextlib.contextmanager
def serve(
    world: W,
    *,
    requests_per_window: int | None = REQUESTS_PER_WINDOW,
    window_seconds: float = WINDOW_SECONDS,
    max_body_bytes: int = contract.MAX_BODY_BYTES,
) -> Iterator[Sandbox[W]]:
    """Serve a world from a thread on a free port until the block ends.

    Args:
        world: The world to serve.
        requests_per_window: Rate limit of each access token; None switches it off.
        window_seconds: Window of the rate limit.
        max_body_bytes: Larger request bodies get 413.
    """
    rate_limit = None if requests_per_window is None else RateLimit(requests_per_window, window_seconds)
    faulty = _Faulty(Application(world, rate_limit=rate_limit, max_body_bytes=max_body_bytes))
    with serving(faulty) as (address, server):
        faulty.server = server
        yield Sandbox(address, world, faulty.faults, faulty.log)


@contextlib.contextmanager
def serving(application: ASGIApp) -> Iterator[tuple[str, Server]]:
    """Serve an application from a thread on a free port until the block ends; yields the address and the server."""
    with contextlib.closing(listen()) as listener:
        ready = threading.Event()
        server = Server(application, listener, ready.set)
        thread = threading.Thread(target=server.serve_until_stopped, name="sandbox", daemon=True)
        thread.start()
        ready.wait()
        try:
            yield address_of(listener), server
        finally:
            server.stop()
            thread.join()


@dataclass(slots=True)
class _Answer:
    """A response of the application, collected to be changed before it is sent."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    async def collect(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")

    def header(self, name: bytes) -> bytes:
        return dict(self.headers).get(name, b"")

    def replace_headers(self, headers: dict[bytes, bytes]) -> None:
        self.headers = [each for each in self.headers if each[0] not in headers] + list(headers.items())

    def replace_body(self, body: bytes) -> None:
        self.body = body
        self.replace_headers({b"content-length": str(len(body)).encode()})

    async def send(self, send: Send, length: int | None = None) -> None:
        """Send all of it, or so many bytes of the body without an end."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body[:length], "more_body": length is not None})


class _Faulty:
    """The application with faults and a log around it."""

    server: Server

    def __init__(self, application: Application) -> None:
        self._application = application
        self.faults, self.log = Faults(), RequestLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = OPERATIONS.get(scope["path"]) if scope["method"] == "POST" else None
        if operation is None:
            await self._application(scope, receive, send)
            return
        arrived = time.monotonic()
        raw = await _read(receive)
        body = _object(raw)
        entry = self.log.received(operation, body, arrived)
        fault = None if body is None else self.faults.take(operation, body)
        if isinstance(fault, Hang):
            await _gone(receive)
            return
        await _delay(fault, receive)
        if isinstance(fault, Disconnect) and fault.after_bytes is None:
            await self._disconnect(scope, receive)
            return
        if isinstance(fault, ShortPage) and body is not None:
            raw = _shortened(body, fault.items)
        answer = await self._answered(scope, raw, receive, fault)
        entry.request_id = answer.header(b"request-id").decode()
        if isinstance(fault, Disconnect):
            await answer.send(send, fault.after_bytes)
            await self._disconnect(scope, receive)
            return
        entry.status = answer.status
        entry.items = _count(operation, answer)
        if isinstance(fault, Garble):
            answer.replace_body(fault.change(answer.body))
        if isinstance(fault, OtherHeaders):
            answer.replace_headers({name.lower().encode(): text.encode() for name, text in fault.headers.items()})
        if isinstance(fault, WithoutDate):
            answer.headers = [each for each in answer.headers if each[0] != b"date"]
        await answer.send(send)

    async def _answered(self, scope: Scope, raw: bytes, receive: Receive, fault: Fault | None) -> _Answer:
        answer = _Answer()
        if isinstance(fault, Answer):
            await self._injected(fault)(scope, receive, answer.collect)
        else:
            await self._application(scope, _replayed(raw, receive), answer.collect)
        return answer

    def _injected(self, fault: Answer) -> Response:
        usual = self._application.error(RefusedError(fault.status, f"Injected fault {fault.status}"))
        if fault.body is None and fault.status != 204:
            usual.headers.update(fault.headers)
            return usual
        headers = {name: usual.headers[name] for name in ("Date", "Request-Id", "Content-Type")}
        response = Response(fault.body, fault.status, headers=headers)
        response.headers.update(fault.headers)
        return response

    async def _disconnect(self, scope: Scope, receive: Receive) -> None:
        """Close the client's connection after sending what was written."""
        for connection in list(self.server.server_state.connections):
            if connection.transport.get_extra_info("peername") == scope["client"]:
                connection.transport.close()
        await _gone(receive)


async def _read(receive: Receive) -> bytes:
    raw = bytearray()
    while (message := await receive())["type"] == "http.request":
        raw += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(raw)


def _replayed(raw: bytes, receive: Receive) -> Receive:
    """Pass the body that was read to the application, and then what the client does next."""
    messages: list[Message] = [{"type": "http.request", "body": raw, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


async def _delay(fault: Fault | None, receive: Receive) -> None:
    """Wait as long as a fault lets an answer wait."""
    if isinstance(fault, Hold):
        await asyncio.to_thread(fault.released.wait)
    if isinstance(fault, Slow):
        await _gone(receive, within=fault.seconds)


async def _gone(receive: Receive, within: float | None = None) -> None:
    """Wait until the client or the server closes the connection, or the seconds are over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while (await receive())["type"] != "http.disconnect":
                pass


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _shortened(body: dict[str, Any], items: int) -> bytes:
    limitation = body["Limitation"]
    return json.dumps(body | {"Limitation": limitation | {"Count": min(limitation["Count"], items)}}).encode()


def _count(operation: Operation, answer: _Answer) -> int:
    """How many items a page has."""
    return len((_object(answer.body) or {}).get(operation.collection, ()))
