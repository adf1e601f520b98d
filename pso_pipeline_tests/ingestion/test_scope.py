"""Listing services: whole where that is one request, what changed where it is many, and no service is missed."""

from datetime import UTC, datetime, timedelta

import pytest

from pso_pipeline.sandbox.clock import Clock
from pso_pipeline_tests.fakes.faults import Answer, WithoutDate
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.truth import expected_rows, landed_rows

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVICES = "services/getAll"


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def assert_equals_source(pipeline):
    truth = pipeline.world.snapshot(pipeline.world.clock.now())
    with pipeline.warehouse.open() as connection:
        assert landed_rows(connection) == expected_rows(truth.orders, truth.services)


@pytest.fixture
def world():
    return ScriptedWorld(clock=Clock(frozen_at=NOON))


@pytest.fixture
def large_group(world):
    """Six hotels with 350 services each: three pages of services, of which most are never ordered."""
    hotels = [world.add_enterprise(Name=f"Hotel {n}") for n in range(6)]
    for hotel in hotels:
        for _ in range(350):
            world.add_service(hotel, kind="Bookable")
    return hotels


def listed(pipeline):
    """The bodies of the requests for services, but for the empty pages at the ends of walks."""
    requests = pipeline.sandbox.requests.of(SERVICES)
    return [request.body for request in requests if request.items or not request.body["Limitation"]["Cursor"]]


@pytest.fixture
def listings(pipeline):
    """Refresh, and return the bodies of the requests for services that it took, without the ends of walks."""

    def refresh():
        pipeline.sandbox.requests.clear()
        assert pipeline.refresh().failed == ()
        return listed(pipeline)

    return refresh


def test_a_large_group_is_listed_whole_once_and_then_by_its_changes(large_group, listings):
    assert [("UpdatedUtc" in body) for body in listings()] == [False] * 3
    for _ in range(3):
        assert [("UpdatedUtc" in body) for body in listings()] == [True]


def test_a_small_group_is_listed_whole_each_time(world, listings):
    world.add_service(world.add_enterprise())
    for _ in range(3):
        assert [("UpdatedUtc" in body) for body in listings()] == [False]


@pytest.mark.parametrize("shift", [-3600, 0, 3600])
def test_a_new_service_of_a_large_group_with_old_orders_is_found_at_once(pipeline, world, large_group, listings, shift):
    """Whatever this machine's clock says of the server's."""
    world.clock.freeze(datetime.now(UTC) + timedelta(seconds=shift))
    listings()
    world.clock.advance(1800)
    now = datetime.fromtimestamp(world.clock.now(), UTC)
    spa = world.add_service(large_group[3], CreatedUtc=text(now), UpdatedUtc=text(now))
    world.add_order(spa, CreatedUtc=text(NOON - timedelta(days=400)))
    assert len(listings()) == 1
    assert_equals_source(pipeline)


def test_a_new_hotel_of_a_large_group_is_listed_with_all_its_old_services(pipeline, world, large_group, listings):
    listings()
    hotel = world.add_enterprise(Name="Newly linked")
    world.add_order(world.add_service(hotel))
    assert [body.get("EnterpriseIds") for body in listings()] == [None, [hotel["Id"]]]
    assert_equals_source(pipeline)


def test_a_hotel_that_comes_back_into_scope_is_listed_whole(pipeline, world, large_group, listings):
    listings()
    world.grant(world.access_token, large_group[1:])
    listings()
    world.add_order(world.add_service(large_group[0]))
    world.grant(world.access_token)
    assert [body.get("EnterpriseIds") for body in listings()] == [None, [large_group[0]["Id"]]]
    assert_equals_source(pipeline)


def test_a_service_that_comes_into_sight_without_an_update_is_found_within_hours(
    pipeline, world, large_group, listings
):
    listings()
    world.add_order(world.add_service(large_group[0], UpdatedUtc="2020-01-01T00:00:00Z"))
    world.clock.advance(3 * 3600)
    assert len(listings()) == 1
    world.clock.advance(3 * 3600)
    assert len(listings()) == 3
    assert_equals_source(pipeline)


def test_changes_that_could_not_be_listed_are_listed_the_next_time(pipeline, world, large_group, listings):
    listings()
    now = NOON + timedelta(hours=1)
    world.clock.freeze(now)
    world.add_order(world.add_service(large_group[0], UpdatedUtc=text(now)))
    pipeline.sandbox.faults.add(Answer(500), operation=SERVICES, times=None)
    assert len(pipeline.refresh().failed) == 6
    pipeline.sandbox.faults.clear()
    world.clock.advance(3600)
    listings()
    assert_equals_source(pipeline)


def test_a_rotated_token_lists_whole(pipeline, world, large_group, listings, monkeypatch):
    listings()
    world.grant("rotated")
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "rotated")
    pipeline.settings = type(pipeline.settings).load()
    assert len(listings()) == 3


def test_without_the_servers_time_all_are_listed(pipeline, large_group, listings):
    pipeline.sandbox.faults.add(WithoutDate(), times=None)
    assert [len(listings()) for _ in range(2)] == [3, 3]


def test_discovering_services_alone_lists_all(pipeline, large_group, listings):
    listings()
    pipeline.sandbox.requests.clear()
    pipeline.discover_services_alone()
    assert len(listed(pipeline)) == 3
