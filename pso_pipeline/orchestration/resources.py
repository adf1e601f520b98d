"""The resource through which runs and sensors reach the settings, the API and the warehouse.

It reads the environment when a run starts, never when the code location loads. What is done with API and warehouse is
in `ingestion`, `warehouse` and `bi`.
"""

import asyncio
import contextlib
import signal
import threading
import traceback
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from typing import Any, TypeVar

import duckdb
from dagster import ConfigurableResource, Failure, InitResourceContext
from dagster_duckdb import DuckDBResource
from pydantic import Field, PrivateAttr

from pso_pipeline.bi.errors import SnapshotError
from pso_pipeline.ingestion.api import Api, open_api
from pso_pipeline.ingestion.clock import ServerClock
from pso_pipeline.mews.limiter.store import LimiterUnusable
from pso_pipeline.mews.retry import RetryPolicy
from pso_pipeline.mews.tokens import hide_secrets
from pso_pipeline.orchestration.liveness import signs_of_life
from pso_pipeline.orchestration.runs import run_lock
from pso_pipeline.orchestration.shards import lease
from pso_pipeline.settings import Settings, SettingsError
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.session import LONGEST_WAIT_SECONDS, KeptLake, Warehouse

T = TypeVar("T")

API_POOL = "mews_api"
"""Concurrency pool of the steps that call the API. `dagster.yaml` limits it so that long reads leave slots free."""


class PipelineResource(ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own subclasses leave it open too
    """The settings of the environment, with the API and the warehouse that they name."""

    wait_seconds: float = Field(
        default=LONGEST_WAIT_SECONDS, description="How long a run waits for a warehouse that another process holds."
    )

    _kept: KeptLake | None = PrivateAttr(default=None)

    @contextlib.contextmanager
    def yield_for_execution(
        self,
        context: InitResourceContext,
    ) -> Generator["PipelineResource", None, None]:
        """Serve the steps of a run, which holds its lock (`runs`) and the lease of its shard (`shards`).

        A lake stays attached in the meantime.
        """
        with contextlib.ExitStack() as during_run:
            if context.run is not None and context.instance is not None:
                during_run.enter_context(run_lock(context.instance, context.run))
                during_run.enter_context(signs_of_life(context.instance, context.run))
                during_run.enter_context(lease(context.instance, context.run))
            self._kept = during_run.enter_context(KeptLake())
            yield self

    def settings(self) -> Settings:
        """Read the settings.

        Raises:
            SettingsError: One is missing or malformed.
        """
        return Settings.load()

    def warehouse(self, wait_seconds: float | None = None) -> Warehouse:
        """Return the warehouse, not yet open; `Warehouse.open` waits `wait_seconds` for other processes."""
        settings = self.settings()
        wait = self.wait_seconds if wait_seconds is None else wait_seconds
        return Warehouse.of(settings, wait_seconds=wait, connect=_connect, kept=self._kept)

    def with_api(
        self,
        ask: Callable[[Api], Awaitable[T]],
        retry_policy: RetryPolicy | None = None,
        clock: ServerClock | None = None,
    ) -> T:
        """Call `ask` with a client of the API; the other parameters are those of `open_api`."""

        async def asking() -> T:
            async with open_api(self.settings(), retry_policy, clock) as api:
                return await ask(api)

        with _asyncio_signals():
            return asyncio.run(asking())


def _connect(config: Mapping[str, Any]) -> contextlib.AbstractContextManager[duckdb.DuckDBPyConnection]:
    return DuckDBResource(database=":memory:", connection_config=dict(config)).get_connection()


@contextlib.contextmanager
def _asyncio_signals() -> Iterator[None]:
    """Let asyncio handle SIGINT and SIGTERM: it cancels its tasks and closes their connections.

    Dagster's own handlers raise in the middle of the event loop, which then reports an error of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def one_line_failures() -> Iterator[None]:
    """Turn an error of the environment into a failure with one line, which is not retried.

    Any other error whose traceback contains a secret is replaced too, because Dagster stores and shows tracebacks.
    """
    try:
        yield
    except (SettingsError, WarehouseError, SnapshotError, LimiterUnusable) as error:
        raise Failure(description=hide_secrets(for_terminal(str(error))), allow_retries=False) from None
    except Exception as error:
        said = "".join(traceback.format_exception(error))
        if (hidden := hide_secrets(said)) == said:
            raise
        raise Failure(description=for_terminal(hidden.splitlines()[-1]), allow_retries=False) from None
