"""A published snapshot of a generated world, the bundle, and which tests run only where asked."""

from pathlib import Path

import duckdb
import pytest

from pso_pipeline.bi.snapshot import publish
from pso_pipeline.warehouse.marts.derive import create_marts, derive
from pso_pipeline.warehouse.schema import create_tables, use_schemas
from pso_pipeline_tests.marts.rows import insert
from pso_pipeline_tests.marts.world import generate
from pso_pipeline_tests.report.conftest import publish_odd, publish_sandbox
from pso_pipeline_tests.superset.bundle import Bundle, load_bundle

ORDERS = 20_000
"""Enough that months of single hotels reach the 30 orders below which a chart leaves them out."""


def write_marts(path: Path, orders: int, *, hotel_names: dict[str, str | None] | None = None) -> None:
    """Derive the marts of a generated world into a file; `hotel_names` renames hotels by their id."""
    world = generate(seed=11, orders=orders)
    for hotel in world.enterprises:
        hotel["name"] = (hotel_names or {}).get(hotel["id"], hotel["name"])
        hotel["partition_key"] = hotel["id"].replace(" ", "-")
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS warehouse")
        connection.execute(f"ATTACH '{path}' AS marts (STORAGE_VERSION 'v1.0.0')")
        use_schemas(connection)
        create_tables(connection)
        create_marts(connection)
        for table, rows in world.landed.items():
            insert(connection, table, rows)
        derive(connection)


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return load_bundle()


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory) -> Path:
    """The database of a published snapshot."""
    folder = tmp_path_factory.mktemp("superset")
    write_marts(folder / "marts.duckdb", ORDERS)
    return publish(folder / "marts.duckdb", folder / "bi").snapshot.database


@pytest.fixture(scope="session")
def published_odd(tmp_path_factory):
    return publish_odd(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="session")
def published_sandbox(tmp_path_factory):
    return publish_sandbox(tmp_path_factory.mktemp("sandbox"))


def pytest_configure(config):
    config.addinivalue_line("markers", "superset: starts Superset itself, in the environment of `make superset` (slow)")


def pytest_collection_modifyitems(config, items):
    """Run the tests marked `superset` only where `-m` names them: they need an environment of their own."""
    if "superset" in config.getoption("markexpr"):
        return
    unwanted = [item for item in items if item.get_closest_marker("superset")]
    config.hook.pytest_deselected(items=unwanted)
    items[:] = [item for item in items if item not in unwanted]
