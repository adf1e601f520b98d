"""Fixtures for every test: an environment without anybody's settings, a warehouse, a sandbox.

A test with a `warehouse` runs on a file, a module marked `stores("file", "lake", "s3")` on a lake on disk and on one in
an object storage too. `pytest --store=lake` and `--store=s3` run every such test there, except those marked otherwise,
and no test that has no warehouse.
"""

import contextlib
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

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


STORES = ("file", "lake", "s3")


def pytest_addoption(parser):
    parser.addoption("--store", choices=STORES, help="Where the warehouse of each test is, instead of in a file.")


def pytest_generate_tests(metafunc):
    if "store" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("store")
    marked = [mark.args for mark in metafunc.definition.iter_markers("stores")]
    stores = [name for name in marked[0] if chosen in (None, name)] if marked else [chosen or "file"]
    metafunc.parametrize("store", stores, indirect=True, scope="session")


def pytest_collection_modifyitems(config, items):
    """Leave out the tests that do not depend on where the warehouse is, or cannot be there, if that was chosen."""
    chosen = config.getoption("store")
    if chosen is None:
        return
    kept = [item for item in items if hasattr(item, "callspec") and item.callspec.params.get("store") == chosen]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@dataclass(frozen=True)
class Store:
    """Where the warehouses of tests are. `new` makes the catalog of a lake, with tables already, and returns it."""

    name: str
    data_path: str = ""
    template: str = ""
    server: Any = None

    @property
    def is_lake(self) -> bool:
        return self.name != "file"

    def new(self, folder, **options) -> Warehouse:
        if not self.is_lake:
            return Warehouse(str(folder / "warehouse.duckdb"), **options)
        database = self.server.new_database(template=self.template)
        location = f"ducklake:postgres:{self.server.keywords(database)}"
        return Warehouse(location, data_path=self.data_path, **options)


@pytest.fixture(scope="session")
def store(request, tmp_path_factory):
    """Where the warehouses of the test are: in files, in a lake on disk or in a lake in an object storage.

    The catalogs of lakes are in PostgreSQL, copies of one with empty tables: making these takes a second.
    """
    with contextlib.ExitStack() as resources:
        if request.param == "file":
            yield Store("file")
            return
        data_path = str(tmp_path_factory.mktemp("lake"))
        if request.param == "s3":
            storage = request.getfixturevalue("object_storage")
            environment = resources.enter_context(pytest.MonkeyPatch.context())
            for name, value in storage.variables.items():
                environment.setenv(name, value)
            data_path = f"{storage.new_bucket()}/lake"
        server = request.getfixturevalue("postgres")
        template = server.new_database()
        Warehouse(f"ducklake:postgres:{server.keywords(template)}", data_path=data_path).make()
        yield Store(request.param, data_path, template, server)


@pytest.fixture
def warehouse(store, tmp_path):
    return store.new(tmp_path)


@pytest.fixture(scope="session")
def object_storage():
    """An object storage that the tests of a process share, each with buckets of its own."""
    from pso_pipeline_tests.fakes.object_storage import running_object_storage

    with running_object_storage() as storage:
        yield storage


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
