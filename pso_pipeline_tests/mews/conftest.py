import asyncio
import heapq
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from pso_pipeline.mews.client import MewsClient
from pso_pipeline.mews.clock import Clock
from pso_pipeline.mews.limiter.files import FileStore
from pso_pipeline.mews.tokens import Token
from pso_pipeline_tests.mews.scripted_server import ScriptedServer

CLIENT_TOKEN = Token("E0D439EE522F44368DC78E1BFB03710C-D24FB11DBE31D4621C4817E028D9E1D")
ACCESS_TOKEN = Token("C66EF7B239D24632943D115EDE9CB810-EA00F8FD8294692C940F6B5A8F9453D")


class FakeTime:
    """Clocks that move on by the pauses alone."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))
        self.steady = 0.0
        self.pauses: list[float] = []
        self._calls_under_way = 0
        self._pausing: list[tuple[float, int, asyncio.Future[None]]] = []

    @property
    def clock(self) -> Clock:
        return Clock(wall=lambda: self.now, steady=lambda: self.steady, sleep=self.sleep)

    async def side_by_side(self, *calls: Coroutine[Any, Any, Any]) -> list[Any]:
        """Return what each call returned or raised; time moves on only while all of them pause.

        Otherwise minutes would pass in the milliseconds of one response.
        """
        self._calls_under_way = len(calls)
        return await asyncio.gather(*map(self._under_way, calls), return_exceptions=True)

    async def _under_way(self, call: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await call
        finally:
            self._calls_under_way -= 1
            self._end_a_pause()

    def _end_a_pause(self) -> None:
        if self._pausing and len(self._pausing) == self._calls_under_way:
            until, _, end = heapq.heappop(self._pausing)
            self.now += until - self.steady
            self.steady = until
            end.set_result(None)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if self._calls_under_way:
            end = asyncio.get_running_loop().create_future()
            heapq.heappush(self._pausing, (self.steady + seconds, len(self.pauses), end))
            self._end_a_pause()
            await end
            return
        self.now += seconds
        self.steady += seconds
        await self.after_pause()

    async def after_pause(self) -> None:
        """Run in each pause; a test may replace it."""
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server
        assert not server.unexpected, "the client sent more requests than the test has responses for"


@pytest.fixture
def make_client(server: ScriptedServer, tmp_path: Path, fake_time: FakeTime) -> Callable[..., MewsClient]:
    """Return a function that makes clients of the scripted server with one state directory."""

    def make(**settings: Any) -> MewsClient:
        address = settings.pop("address", server.address)
        defaults: dict[str, Any] = {
            "client_name": "Sample Client 1.0.0",
            "limiter_store": FileStore(tmp_path / "limits", fake_time.clock),
            "clock": fake_time.clock,
        }
        return MewsClient(address, CLIENT_TOKEN, **(defaults | settings))

    return make
