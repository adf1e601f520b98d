"""A DuckLake instead of one file: the same pipeline on the same statements, with either catalog and either storage."""

import pytest

from pso_pipeline.warehouse.marts.derive import create_marts, derive
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.truth import expected_rows, landed_rows
from pso_pipeline_tests.warehouse.files import needs_ducklake

pytestmark = pytest.mark.stores("file", "lake", "s3")


@pytest.fixture
def warehouse(store, tmp_path):
    """The warehouse of the pipeline under test; instead of a file, a lake with its catalog in a file."""
    return store.new(tmp_path) if store.is_lake else Warehouse(f"ducklake:{tmp_path / 'lake.ducklake'}")


@needs_ducklake
def test_orders_land_change_and_are_measured(warehouse, pipeline, world):
    services = [world.add_service(world.add_enterprise()) for _ in range(2)]
    orders = [world.add_order(services[number % 2], State="Confirmed") for number in range(30)]
    assert pipeline.refresh().failed == ()
    world.change(orders[0], State="Canceled", CancelledUtc=orders[0]["CreatedUtc"])
    world.add_order(services[0], State="Started", NewField=[1])
    report = pipeline.refresh()
    assert (sum(each.created for each in report.enterprises), sum(each.changed for each in report.enterprises)) == (
        1,
        1,
    )
    now = world.snapshot(world.clock.now())
    with warehouse.open() as connection:
        assert landed_rows(connection) == expected_rows(now.orders, now.services)
        versions = connection.execute("SELECT count(*) FROM mews.product_service_order_versions").fetchone()
        create_marts(connection)
        derive(connection)
        totals = connection.execute("SELECT sum(orders_created), sum(canceled_orders) FROM mart.agg_orders_daily")
        assert totals.fetchall() == [(31, 1)]
    assert versions == (32,)
