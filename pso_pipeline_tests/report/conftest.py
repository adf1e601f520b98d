"""A published snapshot of a generated world, and the report of it."""

from pathlib import Path

import duckdb
import pytest

from pso_pipeline.bi.folder import snapshot_path
from pso_pipeline.bi.report.page import write_report
from pso_pipeline.bi.snapshot import publish
from pso_pipeline.warehouse.connection import Warehouse
from pso_pipeline.warehouse.marts.derive import create_marts, derive
from pso_pipeline_tests.marts.rows import insert
from pso_pipeline_tests.marts.world import World, generate


def publish_world(world: World, folder: Path) -> Path:
    """Land, derive and publish a world; return the folder of its snapshot."""
    warehouse = Warehouse(str(folder / "warehouse.duckdb"))
    with warehouse.open() as connection:
        for table, rows in world.landed.items():
            insert(connection, table, rows)
        create_marts(connection)
        derive(connection)
    publish(warehouse.marts_path, folder / "bi", marts_lock=warehouse.hold())
    return folder / "bi"


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The folder of a snapshot of 10 hotels in as many time zones, 6,000 orders over three years."""
    return publish_world(generate(seed=11, orders=6000), tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="session")
def report(published):
    """The report of that snapshot."""
    return write_report(published)


@pytest.fixture
def snapshot(published):
    with duckdb.connect(str(snapshot_path(published)), read_only=True) as connection:
        yield connection
