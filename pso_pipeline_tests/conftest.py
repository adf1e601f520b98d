"""Fixtures for every test: an environment without anybody's settings, a warehouse, a sandbox."""

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from pso_pipeline.settings import Settings, Timetable
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.fakes.server import serve


@pytest.fixture(autouse=True)
def no_settings_of_a_person(monkeypatch, tmp_path):
    """Hide the variables and the `.env` of the person who runs the tests, and share no limit with a real token."""
    for name in (*Settings.model_fields, *Timetable.model_fields):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse(str(tmp_path / "warehouse.duckdb"))


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL that the tests of a process share, each with databases of its own.

    Not below pytest's folder: each pytest that starts closes that one to other users, such as PostgreSQL's own.
    """
    # `make test-lowest` has no psycopg, and needs no PostgreSQL
    from pso_pipeline_tests.fakes.postgres import running_postgres

    with tempfile.TemporaryDirectory(prefix="pso-postgres-") as folder, running_postgres(Path(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """A Redis that the tests of a process share; no two of them use one token."""
    # `make test-lowest` has no client of Redis
    from pso_pipeline_tests.fakes.redis import running_redis

    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def any_server_time(monkeypatch):
    """Let a world stop at a date of its own, which the client would take for a wrong clock."""
    monkeypatch.setattr("pso_pipeline.mews.responses.CLOCK_TOLERANCE", timedelta.max)


@pytest.fixture
def sandbox(world, monkeypatch):
    """Serve the test's own `world`, and let the settings name it."""
    with serve(world, requests_per_window=None) as running:
        monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", running.address)
        monkeypatch.setenv("MEWS_CLIENT_TOKEN", world.client_token)
        monkeypatch.setenv("MEWS_ACCESS_TOKENS", world.access_token)
        yield running
