"""Records that cannot be read: a few cost nothing, many fail their hotel and no other, and all are counted."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.warehouse.reading import read_rejects
from pso_pipeline_tests.fakes.faults import Garble
from pso_pipeline_tests.fakes.scripted import ScriptedWorld

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)
ORDERS = "productServiceOrders/getAll"


@pytest.fixture
def world():
    return ScriptedWorld(clock=Clock(frozen_at=NOW))


@pytest.fixture
def services(world):
    """Four hotels with a service and 40 orders each."""
    added = [world.add_service(world.add_enterprise(Name=f"Hotel {number}")) for number in range(4)]
    for service in added:
        for _ in range(40):
            world.add_order(service)
    return added


def spoil(world, service, count, **fields):
    """Add so many orders that cannot be read."""
    for number in range(count):
        record = {"Id": f"bad-{number}", "ServiceId": service["Id"], "CreatedUtc": "yesterday"} | fields
        world.add_malformed_order(service, record, at=world.clock.now())


def watermarks(pipeline):
    return dict(pipeline.query("SELECT scope_id, watermark_utc FROM mews.sync_state"))


@pytest.mark.parametrize(("bad", "fails"), [(10, False), (11, True)])
def test_a_first_read_of_which_many_records_are_rejected_fails_its_hotel_alone(pipeline, world, services, bad, fails):
    spoil(world, services[1], bad)
    report = pipeline.refresh()
    assert [outcome.name for outcome in report.failed] == (["Hotel 1"] if fails else [])
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders") == [(160,)], "the others landed"
    assert [watermark is None for watermark in watermarks(pipeline).values()].count(True) == fails
    assert report.rejected == bad
    if fails:
        assert f"{bad} of {40 + bad} records could not be read, the first because" in str(report.failed[0].error)
        assert pipeline.states(NOW)["Hotel 1"] == "failing"
        assert pipeline.refresh().failed != (), "it is read from the top again"


def test_rejects_of_few_among_many_do_not_fail_a_hotel(pipeline, world, services):
    for _ in range(190):
        world.add_order(services[1])
    spoil(world, services[1], 12)
    assert pipeline.refresh().failed == ()


@pytest.mark.parametrize("names_its_service", [True, False])
def test_a_refresh_of_which_many_records_are_rejected_fails_their_hotel_and_keeps_its_watermark(
    pipeline, world, services, names_its_service
):
    """Also where the records do not say which hotel of those that are read together they belong to."""
    pipeline.refresh()
    before = watermarks(pipeline)
    world.clock.advance(3600)
    for service in services:
        world.add_order(service)
    spoil(world, services[2], 12, **({} if names_its_service else {"ServiceId": 7}))
    report = pipeline.refresh()
    assert [outcome.name for outcome in report.failed] == ["Hotel 2"]
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders") == [(164,)]
    unmoved = [service for service, watermark in watermarks(pipeline).items() if watermark == before[service]]
    assert unmoved == [services[2]["Id"]]
    assert report.rejected == 12


def test_a_full_resync_of_which_many_records_are_rejected_marks_nothing(pipeline, world, services):
    pipeline.refresh()
    orders = [each for each in world.snapshot(NOW).orders if each["ServiceId"] == services[0]["Id"]]
    spoil(world, services[0], 12)
    world.remove(orders[0])
    for _ in range(2):
        report = pipeline.refresh(is_full=True)
        assert [(each.name, each.reconciled) for each in report.failed] == [("Hotel 0", None)]
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders WHERE is_missing_from_source") == [(0,)]


@pytest.mark.stores("file", "lake", "s3")
def test_rejects_of_every_kind_of_record_are_counted(pipeline, world, services):
    def odd(name, record):
        def change(body):
            answer = json.loads(body)
            return json.dumps(answer | {name: [*answer[name], record]}).encode()

        return Garble(change)

    pipeline.sandbox.faults.add(odd("Enterprises", {"Name": "no id"}), operation="enterprises/getAll")
    pipeline.sandbox.faults.add(odd("Services", {"Id": "x", "EnterpriseId": None}), operation="services/getAll")
    pipeline.sandbox.faults.add(odd("ProductServiceOrders", 7), operation=ORDERS)
    report = pipeline.refresh()
    assert (pipeline.found.rejected, pipeline.offered.rejected, report.rejected) == (1, 1, 1)
    with pipeline.warehouse.open() as connection:
        counts = {each.operation: each.records for each in read_rejects(connection)}
    assert counts == {"enterprises/getAll": 1, "services/getAll": 1, ORDERS: 1}
