"""Services that no longer exist cost nobody anything: they are parted from the others, retired, and come back."""

from datetime import UTC, datetime, timedelta

import pytest

from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.warehouse.reading import read_retired_services, read_status
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.truth import expected_rows, landed_rows

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)


@pytest.fixture
def world():
    return ScriptedWorld(clock=Clock(frozen_at=NOW))


def assert_equals_source(pipeline):
    truth = pipeline.world.snapshot(pipeline.world.clock.now())
    with pipeline.warehouse.open() as connection:
        assert landed_rows(connection) == expected_rows(truth.orders, truth.services)


def group(world, hotels, services_each):
    """Hotels with some services each, of which every one has an order."""
    added = [world.add_enterprise(Name=f"Hotel {number:03}") for number in range(hotels)]
    services = [[world.add_service(hotel) for _ in range(services_each)] for hotel in added]
    for service in (each for of_hotel in services for each in of_hotel):
        world.add_order(service)
    return services


def retired(pipeline):
    return {service for (service,) in pipeline.query("SELECT id FROM mews.services WHERE retired_utc IS NOT NULL")}


def drop(world, services):
    for service in services:
        world.remove(service)
    world.clock.advance(1800)


@pytest.mark.parametrize("is_clustered", [True, False], ids=["clustered", "scattered"])
def test_123_services_that_no_longer_exist_cost_no_hotel_its_read(pipeline, world, is_clustered):
    services = group(world, 240, 3)
    pipeline.refresh()
    firsts = [of_hotel[0] for of_hotel in services]
    gone = firsts[60:183] if is_clustered else [*firsts[::2], *firsts[1:7:2]]
    drop(world, gone)
    for of_hotel in services:
        world.add_order(of_hotel[1], Number="new")
    pipeline.sandbox.requests.clear()
    report = pipeline.refresh()
    assert report.failed == ()
    assert sum(outcome.created for outcome in report.enterprises) == 240
    assert len(pipeline.order_walks()) <= 6
    assert retired(pipeline) == {service["Id"] for service in gone}
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders") == [(960,)], "their orders stay"
    assert set(pipeline.states(NOW + timedelta(hours=1)).values()) == {"fresh"}
    pipeline.sandbox.requests.clear()
    assert pipeline.refresh().failed == ()
    assert len(pipeline.order_walks()) == 1


def test_services_that_vanish_between_the_listing_and_the_read_are_parted_without_a_search(pipeline, world):
    services = group(world, 40, 4)
    pipeline.refresh()
    gone = [of_hotel[3] for of_hotel in services]
    world.after_page(1, lambda: drop(world, gone), operation="services/getAll")
    pipeline.sandbox.requests.clear()
    report = pipeline.refresh()
    assert report.failed == ()
    assert retired(pipeline) == {service["Id"] for service in gone}
    assert len(pipeline.order_walks()) <= 4
    assert [notice for notice in report.notices if "1 service(s) no longer exist and are retired" in notice]


@pytest.mark.stores("file", "lake", "s3")
def test_a_retired_service_that_is_listed_again_is_read_from_where_it_was(pipeline, world):
    ((first, second),) = group(world, 1, 2)
    pipeline.refresh()
    drop(world, [second])
    pipeline.refresh()
    assert retired(pipeline) == {second["Id"]}
    for _ in range(2):
        world.clock.advance(1800)
        assert pipeline.refresh().failed == ()
    world.add_order(world.add_service(first["EnterpriseId"], Id=second["Id"]))
    world.add_order(first)
    pipeline.sandbox.requests.clear()
    assert pipeline.refresh().failed == ()
    assert retired(pipeline) == set()
    assert pipeline.offered.notices == ("services/getAll: 1 retired service(s) are listed again and are read again",)
    assert all("UpdatedUtc" in request.body for request in pipeline.order_requests())
    assert_equals_source(pipeline)


def test_a_retired_service_holds_its_hotel_s_watermark_back_no_more(pipeline, world):
    ((_, second),) = group(world, 1, 2)
    pipeline.refresh()
    drop(world, [second])
    world.clock.advance(2 * 3600)
    pipeline.refresh()
    with pipeline.warehouse.open() as connection:
        (status,) = read_status(connection)
        (service,) = read_retired_services(connection)
    assert status.watermark_utc is not None
    assert status.watermark_utc >= NOW + timedelta(hours=2)
    assert (status.services, status.retired_services, status.last_error) == (1, 1, None)
    assert service.service_id == second["Id"]


def test_a_hotel_whose_services_are_all_refused_at_once_fails_and_keeps_them_for_a_day(pipeline, world):
    services = group(world, 5, 4)
    pipeline.refresh()
    drop(world, services[2])
    for _ in range(2):
        report = pipeline.refresh()
        assert [outcome.name for outcome in report.failed] == ["Hotel 002"]
        assert "RequestId" in report.failed[0].error
    assert retired(pipeline) == set()
    (problem,) = pipeline.offered.problems
    assert "access token 1 does not list 4 of the 20 services" in problem
    assert "hotel-002" in problem
    pipeline.query("UPDATE mews.services SET unlisted_since_utc = unlisted_since_utc - INTERVAL 25 HOUR")
    assert pipeline.refresh().failed == ()
    assert pipeline.states(NOW)["Hotel 002"] == "no services listed"
    assert len(retired(pipeline)) == 4


def test_a_service_that_is_refused_but_listed_is_not_retired_and_is_asked_for_apart(pipeline, world):
    services = group(world, 30, 2)
    pipeline.refresh()
    world.refuse_service(services[7][0])
    assert [outcome.name for outcome in pipeline.refresh().failed] == ["Hotel 007"]
    pipeline.sandbox.requests.clear()
    assert [outcome.name for outcome in pipeline.refresh().failed] == ["Hotel 007"]
    assert retired(pipeline) == set()
    assert len(pipeline.order_walks()) == 2


def test_many_services_that_are_refused_but_listed_cost_other_hotels_nothing(pipeline, world):
    services = group(world, 240, 2)
    pipeline.refresh()
    for first, _ in services[60:183]:
        world.refuse_service(first)
    report = pipeline.refresh()
    assert {outcome.name for outcome in report.failed} == {f"Hotel {number:03}" for number in range(60, 183)}
