"""Serving a world over HTTP: in a thread for tests, or in the foreground for `pso sandbox`.

Sockets, threads, signals and the event loop belong here. What is answered is decided in `app`.
"""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import uvicorn

from pso_pipeline.sandbox import contract
from pso_pipeline.sandbox.app import Application
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.faults import Faults
from pso_pipeline.sandbox.limits import REQUESTS_PER_WINDOW, WINDOW_SECONDS, RateLimit
from pso_pipeline.sandbox.log import RequestLog
from pso_pipeline.sandbox.world import World

LOOPBACK = "127.0.0.1"

# Longer than a client waits between two pages: a connection closed just as it is used again makes errors that no test
# asked for.
_KEEP_ALIVE_SECONDS = 75

W = TypeVar("W", bound=World)


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
    control: bool = False,
) -> Iterator[Sandbox[W]]:
    """Serve a world from a thread on a free port of this machine until the block ends.

    Args:
        world: What is served.
        requests_per_window: Rate limit of each access token; None switches it off.
        window_seconds: Window of the rate limit.
        max_body_bytes: Larger request bodies get 413.
        control: Whether other processes may read the log at `/control/requests` and `/control/busiest`.
    """
    with contextlib.closing(listen()) as listener:
        rate_limit = None if requests_per_window is None else RateLimit(requests_per_window, window_seconds)
        faults, log = Faults(), RequestLog()
        server = _Server(
            Application(
                world,
                rate_limit=rate_limit,
                faults=faults,
                log=log,
                max_body_bytes=max_body_bytes,
                control=control,
            )
        )
        thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
        thread.start()
        server.ready.wait()
        try:
            yield Sandbox(address_of(listener), world, faults, log)
        finally:
            server.stop()
            thread.join()


def run(
    world: World,
    listener: socket.socket,
    *,
    rate_limit: RateLimit | None,
    control: bool,
    on_ready: Callable[[str], None],
) -> None:
    """Serve a world in the foreground until SIGTERM or SIGINT.

    Args:
        world: What is served.
        listener: From `listen`.
        rate_limit: The limit of each access token; None switches it off.
        control: Whether `/control/…` answers; without it no requests are remembered.
        on_ready: Called with the address once requests are answered.
    """
    log = RequestLog(keep=10_000 if control else 0)
    server = _Server(Application(world, rate_limit=rate_limit, faults=Faults(), log=log, control=control))
    server.on_ready = lambda: on_ready(address_of(listener))
    server.run([listener])


def listen(port: int = 0) -> socket.socket:
    """A listening socket on this machine alone; port 0 takes a free one.

    Raises:
        OSError: Where the port is in use or not allowed.
    """
    return socket.create_server((LOOPBACK, port), backlog=1024)


def address_of(listener: socket.socket) -> str:
    """Platform address of a listening socket, as a client is configured with it."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Uvicorn that stops at once, and ends quietly on the signals that end a program."""

    def __init__(self, application: Application) -> None:
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
        application.hang_up = self.hang_up
        self.ready = threading.Event()
        self.on_ready: Callable[[], None] = self.ready.set
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None

    def stop(self) -> None:
        """End the server from any thread or signal handler."""
        if self._loop is not None and self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)

    def hang_up(self, client: tuple[str, int]) -> None:
        """Close the connections from a client's address after what was written is sent."""
        for connection in list(self.server_state.connections):
            if connection.transport.get_extra_info("peername") == client:
                connection.transport.close()

    async def main_loop(self) -> None:
        """Wait for `stop`, where uvicorn would look for it ten times a second."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self.on_ready()
        await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every connection now: a request left hanging on purpose would never end by itself."""
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
