"""Published snapshots of a generated world, of one that is hard to show and of the sandbox's, and their reports."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pso_pipeline.bi.folder import snapshot_path
from pso_pipeline.bi.report.page import write_report
from pso_pipeline.bi.snapshot import publish
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.world import GeneratedWorld
from pso_pipeline.warehouse.marts.derive import create_marts, derive
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.browser import chromium
from pso_pipeline_tests.marts.rows import insert
from pso_pipeline_tests.marts.test_from_the_api import landed
from pso_pipeline_tests.marts.world import World, generate
from pso_pipeline_tests.report.odd_world import HELD_BACK, REASON, odd_world

NOON = datetime(2026, 10, 20, 12, tzinfo=UTC)


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


def publish_odd(folder: Path) -> Path:
    """Publish `odd_world`, in which a check holds one hotel back; return the folder of its snapshot."""
    bi_dir = publish_world(odd_world(), folder)
    database = snapshot_path(bi_dir)
    database.chmod(0o644)
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "UPDATE mart.dim_enterprises SET is_held_back = TRUE, held_back_reason = $reason"
            " WHERE enterprise_id = $hotel",
            {"hotel": HELD_BACK, "reason": REASON},
        )
    return bi_dir


def publish_sandbox(folder: Path) -> Path:
    """Publish the sandbox's own world, read to its end; return the folder of its snapshot."""
    world = landed(GeneratedWorld(seed=3, enterprises=4, orders=8000, clock=Clock(frozen_at=NOON)).snapshot(NOON), NOON)
    for hotel in world.enterprises:
        hotel |= {"name": hotel["id"], "is_in_scope": True}
    world.services = [{"id": each["service_id"], "enterprise_id": each["enterprise_id"]} for each in world.sync_state]
    return publish_world(world, folder)


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The folder of a snapshot of 10 hotels in as many time zones, 6,000 orders over three years."""
    return publish_world(generate(seed=11, orders=6000), tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="session")
def published_odd(tmp_path_factory):
    return publish_odd(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="session")
def published_sandbox(tmp_path_factory):
    return publish_sandbox(tmp_path_factory.mktemp("sandbox"))


@pytest.fixture(scope="session")
def report(published):
    """The report of the first snapshot."""
    return write_report(published)


@pytest.fixture(scope="session")
def odd_report(published_odd):
    return write_report(published_odd)


@pytest.fixture
def snapshot(published):
    with duckdb.connect(str(snapshot_path(published)), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started
