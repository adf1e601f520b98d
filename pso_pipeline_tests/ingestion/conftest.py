"""A scripted world behind real HTTP, and one call that refreshes a warehouse from it."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS, Endpoint
from pso_pipeline.ingestion import api as api_module
from pso_pipeline.ingestion.api import open_api
from pso_pipeline.ingestion.clock import ServerClock
from pso_pipeline.ingestion.scope import discover_enterprises, discover_services
from pso_pipeline.ingestion.sync import SyncOptions, sync_records
from pso_pipeline.mews.retry import RetryPolicy
from pso_pipeline.settings import Settings
from pso_pipeline.warehouse.reading import read_status, state_of
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve

HURRIED = RetryPolicy(attempts=3, seconds=20, first_backoff=0.01, longest_backoff=0.02)


@dataclass
class Pipeline:
    """One warehouse that is refreshed from one sandbox."""

    sandbox: Any
    warehouse: Warehouse
    settings: Settings
    overlap: timedelta = timedelta(minutes=10)
    retry_policy: RetryPolicy = HURRIED
    found: Any = None
    offered: Any = None
    endpoint: Endpoint = PRODUCT_SERVICE_ORDERS

    @property
    def world(self):
        return self.sandbox.world

    def refresh(self, *, is_full=False, only=None, max_missing_share=0.2, max_lost_share=0.2):
        """Discover and sync, each with a client of its own, as the steps of a run do; keeps the listings' reports."""
        clock = ServerClock()
        found = self._with_api(lambda api: discover_enterprises(api, self.warehouse, max_lost_share), clock)
        offered = self._with_api(
            lambda api: discover_services(api, self.warehouse, max_lost_share=max_lost_share), clock
        )
        self.found, self.offered = found, offered
        failures = {**found.failures, **offered.failures}
        options = SyncOptions(only, is_full, self.overlap, max_missing_share, failures, self.endpoint)
        return self._with_api(lambda api: sync_records(api, self.warehouse, options), clock)

    def discover(self):
        """Find the enterprises alone, as the sensor does."""
        return self._with_api(lambda api: discover_enterprises(api, self.warehouse), None)

    def discover_services_alone(self):
        """List services as a run of their asset alone does, which knows nothing of the server's time."""
        return self._with_api(lambda api: discover_services(api, self.warehouse), None)

    def sync_alone(self):
        """Sync what was discovered before, as a run of the orders' asset alone does."""
        options = SyncOptions(overlap=self.overlap, endpoint=self.endpoint)
        return self._with_api(lambda api: sync_records(api, self.warehouse, options), None)

    def _with_api(self, ask, clock):
        async def asking():
            async with open_api(self.settings, self.retry_policy, clock) as api:
                return await ask(api)

        return asyncio.run(asking())

    def use_tokens(self, monkeypatch, *tokens):
        """Go on with these access tokens in the settings, as another process may."""
        monkeypatch.setenv("MEWS_ACCESS_TOKENS", ",".join(tokens))
        self.settings = Settings.load()

    def states(self, now):
        """Name the state of each hotel, by its name."""
        with self.warehouse.open() as connection:
            return {each.name: state_of(each, now, timedelta(hours=3)) for each in read_status(connection)}

    def query(self, sql):
        with self.warehouse.open() as connection:
            return connection.execute(sql).fetchall()

    def order_requests(self):
        return self.sandbox.requests.of(self.endpoint.operation)

    def order_walks(self):
        """The requests that begin at the newest order, without the pages that follow."""
        return [request for request in self.order_requests() if request.body["Limitation"]["Cursor"] is None]


@pytest.fixture(autouse=True)
def frozen_worlds(any_server_time):
    """Worlds here stand still, and sleep for months."""


@pytest.fixture
def world():
    return ScriptedWorld()


@pytest.fixture
def sandbox(world):
    with serve(world, requests_per_window=None) as running:
        yield running


@pytest.fixture
def make_pipeline(warehouse, monkeypatch, tmp_path):
    """Make the pipeline that reads from an address with tokens, sharing no rate limit with other tests."""

    def make(address, client_token, access_tokens, sandbox=None):
        monkeypatch.setattr(api_module, "limiter_folder", lambda: tmp_path / "limits")
        monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", address)
        monkeypatch.setenv("MEWS_CLIENT_TOKEN", client_token)
        monkeypatch.setenv("MEWS_ACCESS_TOKENS", access_tokens)
        monkeypatch.setenv("MEWS_REQUESTS_PER_WINDOW", "100000")
        return Pipeline(sandbox, warehouse, Settings.load())

    return make


@pytest.fixture
def pipeline(sandbox, make_pipeline):
    return make_pipeline(sandbox.address, sandbox.world.client_token, sandbox.world.access_token, sandbox)
