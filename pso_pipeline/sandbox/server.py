"""Serves an application over HTTP until a signal or `stop` ends it.

Sockets, threads, signals and the event loop belong here. `app` decides what is answered.
"""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Generator

import uvicorn
from starlette.types import ASGIApp

LOOPBACK = "127.0.0.1"

# Longer than a client waits between two pages: a connection closed just as the client uses it again is an error.
_KEEP_ALIVE_SECONDS = 75


class Server(uvicorn.Server):
    """Uvicorn that stops at once, and ends quietly on the signals that end a program."""

    def __init__(self, application: ASGIApp, listener: socket.socket, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                lifespan="off",
                ws="none",
                interface="asgi3",
                log_config=None,
                access_log=False,
                date_header=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            )
        )
        self._listener = listener
        self._on_ready = on_ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None

    def serve_until_stopped(self) -> None:
        """Serve until `stop` or a signal."""
        self.run([self._listener])

    def stop(self) -> None:
        """End the server from any thread or signal handler."""
        if self._loop is not None and self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def main_loop(self) -> None:
        """Wait for `stop`; uvicorn itself polls ten times a second."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._on_ready()
        await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every connection now: a request that a test leaves hanging would never end by itself."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks)
        for server in self.servers:
            await server.wait_closed()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGTERM and SIGINT, and do not raise them again afterwards as uvicorn does."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, lambda *_: self.stop()) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def listen(port: int = 0) -> socket.socket:
    """A listening socket on this machine alone; port 0 takes a free one.

    Raises:
        OSError: The port is in use or not allowed.
    """
    return socket.create_server((LOOPBACK, port), backlog=1024)


def address_of(listener: socket.socket) -> str:
    """Platform address of a listening socket, as a client is configured with it."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"
