"""A warehouse of the version before goes on where it was: nothing is read again, and no note is lost."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.warehouse.schema import SCHEMA_VERSION
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.warehouse.files import old_database

# no lake is as old as that version
pytestmark = pytest.mark.stores("file")

VERSION_4 = Path(__file__).parents[1] / "warehouse" / "version_4.sql"
TOKEN = "C66EF7B239D24632943D115EDE9CB810"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REMOVED = "00000000-0000-4000-8000-000000000003"


def make_source():
    """The source as it was when the warehouse was last filled, ten minutes later."""
    world = ScriptedWorld(clock=Clock(frozen_at=NOON + timedelta(minutes=20)))
    world.grant(TOKEN)
    hotel = world.add_enterprise(Id="e0000000-0000-4000-8000-000000000001", Name="Grand Hotel")
    for number, name in enumerate(("Breakfast", "Spa")):
        world.add_service(hotel, Id=f"50000000-0000-4000-8000-00000000000{number}", Name=name)
    return world


@pytest.fixture
def world():
    return make_source()


@pytest.fixture
def orders(world):
    """The orders of the source that the warehouse has, without the one that was removed."""
    return [
        world.add_order(
            f"50000000-0000-4000-8000-00000000000{number % 2}",
            Id=f"00000000-0000-4000-8000-00000000000{number}",
            CreatedUtc=f"{NOON - timedelta(days=number + 1):%Y-%m-%dT%H:%M:%SZ}",
        )
        for number in range(3)
    ]


def test_the_next_refresh_reads_no_history_again(pipeline, world, orders, monkeypatch):
    with old_database(pipeline.warehouse.location) as connection:
        connection.execute(VERSION_4.read_text(encoding="utf-8"))
    pipeline.use_tokens(monkeypatch, TOKEN)
    world.change(orders[1], State="Started", at=NOON + timedelta(minutes=15))
    report = pipeline.refresh()
    assert [(each.created, each.changed, each.error) for each in report.enterprises] == [(0, 1, None)]
    intervals = [request.body.get("UpdatedUtc") for request in pipeline.order_walks()]
    assert [interval["StartUtc"] for interval in intervals] == ["2026-03-01T12:00:00Z"], (
        "the watermark less the overlap"
    )
    assert pipeline.query("SELECT schema_version FROM mews.warehouse_info") == [(SCHEMA_VERSION,)]
    kept = "SELECT id, state FROM mews.product_service_orders ORDER BY id"
    states = [state for _, state in pipeline.query(kept)]
    assert states == ["Canceled", "Started", "Confirmed", "Confirmed"]
    assert pipeline.query("SELECT count(*) FROM mews.product_service_order_versions") == [(6,)]
    assert pipeline.query("SELECT id, revision FROM mews.changed_records ORDER BY id") == [
        (orders[0]["Id"], 2),
        (orders[1]["Id"], 2),
    ]


def test_an_order_that_two_full_reads_did_not_find_is_marked_across_the_upgrade(pipeline, world, orders, monkeypatch):
    with old_database(pipeline.warehouse.location) as connection:
        connection.execute(VERSION_4.read_text(encoding="utf-8"))
    pipeline.use_tokens(monkeypatch, TOKEN)
    pipeline.refresh(is_full=True)
    missing = pipeline.query("SELECT id FROM mews.product_service_orders WHERE is_missing_from_source")
    assert missing == [(REMOVED,)]
