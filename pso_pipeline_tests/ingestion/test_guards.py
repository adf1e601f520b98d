"""The scope: what one listing lacks is given up only where that is plausible, and never in silence."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pso_pipeline.sandbox.clock import Clock
from pso_pipeline_tests.fakes.faults import Answer, Garble
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.truth import expected_rows, landed_rows

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)
ENTERPRISES, SERVICES = "enterprises/getAll", "services/getAll"


@pytest.fixture
def world():
    return ScriptedWorld(clock=Clock(frozen_at=NOW))


@pytest.fixture
def hotels(world):
    """Twelve hotels with two services and an order each."""
    added = [world.add_enterprise(Name=f"Hotel {number:02}") for number in range(12)]
    for hotel in added:
        world.add_service(hotel)
        world.add_order(world.add_service(hotel))
    return added


def assert_equals_source(pipeline):
    truth = pipeline.world.snapshot(pipeline.world.clock.now())
    with pipeline.warehouse.open() as connection:
        assert landed_rows(connection) == expected_rows(truth.orders, truth.services)


def out_of_scope(pipeline):
    rows = pipeline.query("SELECT name FROM mews.enterprises WHERE NOT is_in_scope ORDER BY name")
    return [name for (name,) in rows]


def without(name, keep):
    """An answer that lacks the records of the list `name` that `keep` does not hold for."""

    def change(body):
        answer = json.loads(body)
        return json.dumps(answer | {name: [each for each in answer[name] if keep(each)]}).encode()

    return Garble(change)


@pytest.mark.parametrize("left", [0, 1, 9], ids=["all", "nearly all", "a quarter"])
def test_a_listing_that_lacks_too_many_hotels_is_refused_and_they_are_read_as_before(pipeline, world, hotels, left):
    pipeline.refresh()
    kept = {hotel["Id"] for hotel in hotels[:left]}
    pipeline.sandbox.faults.add(
        without("Enterprises", lambda hotel: hotel["Id"] in kept), operation=ENTERPRISES, times=None
    )
    world.clock.advance(600)
    for service in world.snapshot(world.clock.now()).services:
        world.add_order(service)
    report = pipeline.refresh()
    (problem,) = pipeline.found.problems
    assert f"access token 1 does not list {12 - left} of the 12 hotels that it listed before" in problem
    assert world.access_token not in problem
    assert out_of_scope(pipeline) == []
    assert report.failed == ()
    assert_equals_source(pipeline)
    pipeline.sandbox.faults.clear()
    pipeline.refresh()
    assert pipeline.found.problems == ()
    assert pipeline.query("SELECT count(unlisted_since_utc) FROM mews.enterprises") == [(0,)]


def test_a_group_of_three_sells_one(pipeline, world):
    hotels = [world.add_enterprise(Name=name) for name in ("Astoria", "Bristol", "Carlton")]
    pipeline.refresh()
    world.grant(world.access_token, hotels[1:])
    pipeline.refresh()
    assert out_of_scope(pipeline) == ["Astoria"]
    assert pipeline.found.problems == ()
    (notice,) = pipeline.found.notices
    assert notice == (
        "enterprises/getAll: access token 1 does not list 1 of the 3 hotels that it listed before, they are out of "
        "scope now: astoria-00000001"
    )
    pipeline.refresh()
    assert pipeline.found.notices == ()


def test_a_real_loss_is_accepted_by_a_person(pipeline, world, hotels):
    pipeline.refresh()
    world.grant(world.access_token, hotels[:4])
    report = pipeline.refresh()
    assert len(report.failed) == 8, "the API refuses their services"
    assert pipeline.refresh(max_lost_share=1).failed == ()
    assert len(out_of_scope(pipeline)) == 8
    assert pipeline.found.problems == ()


def test_a_real_loss_is_accepted_once_it_has_lasted_for_a_day_without_a_break(pipeline, world, hotels):
    pipeline.refresh()
    a_day_later = "UPDATE mews.enterprises SET unlisted_since_utc = unlisted_since_utc - INTERVAL 25 HOUR"
    world.grant(world.access_token, hotels[:4])
    pipeline.refresh()
    pipeline.query(a_day_later)
    world.grant(world.access_token)
    pipeline.refresh()
    world.grant(world.access_token, hotels[:4])
    pipeline.refresh()
    assert out_of_scope(pipeline) == [], "they were listed in between"
    pipeline.query(a_day_later)
    assert pipeline.refresh().failed == ()
    assert len(out_of_scope(pipeline)) == 8


def test_a_loss_of_one_token_is_not_another_one_s(pipeline, world, hotels, monkeypatch):
    world.grant("one", hotels[:6])
    world.grant("two", hotels[6:])
    pipeline.use_tokens(monkeypatch, "one", "two")
    pipeline.refresh()
    world.grant("two", [])
    report = pipeline.refresh()
    (problem,) = pipeline.found.problems
    assert "access token 2 does not list 6 of the 6 hotels" in problem
    assert {outcome.name for outcome in report.failed} == {hotel["Name"] for hotel in hotels[6:]}
    assert out_of_scope(pipeline) == []


@pytest.mark.parametrize("left", [0, 5])
def test_a_listing_that_lacks_too_many_services_is_reported_and_they_are_read_as_before(pipeline, world, hotels, left):
    pipeline.refresh()
    services = world.snapshot(world.clock.now()).services
    kept = {service["Id"] for service in services[:left]}
    pipeline.sandbox.faults.add(
        without("Services", lambda service: service["Id"] in kept), operation=SERVICES, times=None
    )
    world.clock.advance(600)
    for service in services:
        world.add_order(service)
    report = pipeline.refresh()
    (problem,) = pipeline.offered.problems
    assert f"access token 1 does not list {24 - left} of the 24 services" in problem
    assert report.failed == ()
    assert_equals_source(pipeline)
    assert set(pipeline.states(NOW).values()) == {"fresh"}


def test_two_processes_with_tokens_of_their_own_leave_each_other_s_hotels_alone(pipeline, world, hotels, monkeypatch):
    world.grant("one", hotels[:5])
    world.grant("two", hotels[5:])
    pipeline.use_tokens(monkeypatch, "one")
    pipeline.refresh()
    for _ in range(2):
        for token, own, others in (("two", 7, 5), ("one", 5, 7)):
            pipeline.use_tokens(monkeypatch, token)
            world.clock.advance(600)
            report = pipeline.refresh()
            assert (len(report.enterprises), report.failed) == (own, ())
            assert out_of_scope(pipeline) == []
            assert pipeline.found.problems == ()
            (notice,) = pipeline.found.notices
            assert notice.startswith(f"{others} hotel(s) of an access token that is not in MEWS_ACCESS_TOKENS")
            assert "are left to the process that used it last" in notice
            assert "one" not in notice.split("(fingerprint")[1].split(")")[0]
    assert pipeline.query("SELECT count(last_error) FROM mews.sync_state") == [(0,)]
    assert_equals_source(pipeline)


def test_hotels_of_a_token_that_nobody_uses_any_more_go_out_of_scope_with_a_word(pipeline, world, hotels, monkeypatch):
    world.grant("one", hotels[:5])
    world.grant("two", hotels[5:])
    pipeline.use_tokens(monkeypatch, "one", "two")
    pipeline.refresh()
    pipeline.use_tokens(monkeypatch, "one")
    pipeline.refresh()
    assert out_of_scope(pipeline) == []
    pipeline.query("UPDATE mews.access_tokens SET listed_utc = listed_utc - INTERVAL 25 HOUR")
    pipeline.sandbox.faults.add(Answer(500), operation=ENTERPRISES, times=3)
    pipeline.refresh()
    assert out_of_scope(pipeline) == [], "the one token that is left could not be asked"
    report = pipeline.refresh()
    assert report.failed == ()
    assert out_of_scope(pipeline) == [hotel["Name"] for hotel in hotels[5:]]
    (notice,) = pipeline.found.notices
    assert notice.startswith("7 hotel(s) of an access token that is not in MEWS_ACCESS_TOKENS are out of scope now")


def test_a_hotel_of_another_process_that_is_asked_for_by_name_says_why_it_is_not_read(
    pipeline, world, hotels, monkeypatch
):
    world.grant("one", hotels[:1])
    world.grant("two", hotels[1:])
    pipeline.use_tokens(monkeypatch, "one", "two")
    pipeline.refresh()
    pipeline.use_tokens(monkeypatch, "two")
    (failed,) = pipeline.refresh(only=[hotels[0]["Id"]]).failed
    assert "MEWS_ACCESS_TOKENS" in str(failed.error)


def test_a_hotel_without_services_is_not_fresh_and_one_that_was_never_listed_is_something_else(pipeline, world, hotels):
    world.add_enterprise(Name="Empty")
    world.add_service(world.add_enterprise(Name="Rooms alone"), kind="Bookable")
    pipeline.discover()
    assert pipeline.states(NOW)["Empty"] == "never read"
    pipeline.refresh()
    states = pipeline.states(NOW)
    assert {states.pop("Empty"), states.pop("Rooms alone")} == {"no services listed"}
    assert set(states.values()) == {"fresh"}


@pytest.mark.parametrize(
    "fields", [{"LinkedUtc": "2020-01-01T00:00:00"}, {"Name": "x" * 100_000}, {"TimeZoneIdentifier": 7}]
)
def test_a_known_hotel_whose_record_is_odd_stays_in_scope_and_is_read(pipeline, world, hotels, fields):
    pipeline.refresh()
    world.change(hotels[3], **fields)
    world.clock.advance(600)
    world.add_order(world.snapshot(world.clock.now()).services[0])
    assert pipeline.refresh().failed == ()
    assert out_of_scope(pipeline) == []
    assert pipeline.found.problems == pipeline.found.notices == ()
    assert pipeline.query("SELECT count(unlisted_since_utc) FROM mews.enterprises") == [(0,)]
    assert_equals_source(pipeline)


@pytest.mark.parametrize("name", [None, "", "   ", "\u202e", "Hôtel / de\nla 'Mer'", "x" * 5_000])
def test_a_new_hotel_of_any_name_gets_a_key(pipeline, world, hotels, name):
    pipeline.refresh()
    world.add_order(world.add_service(world.add_enterprise(Name=name)))
    assert pipeline.refresh().failed == ()
    assert_equals_source(pipeline)
    keys = [key for (key,) in pipeline.query("SELECT partition_key FROM mews.enterprises")]
    assert len(set(keys)) == 13
    assert all(len(key) < 100 and set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for key in keys)


def test_a_service_that_moves_to_another_hotel_takes_its_orders_along(pipeline, world, hotels):
    pipeline.refresh()
    (service, *_) = [
        each for each in world.snapshot(world.clock.now()).services if each["EnterpriseId"] == hotels[0]["Id"]
    ]
    order = world.add_order(service)
    world.clock.advance(60)
    pipeline.refresh()
    world.change(order, State="Canceled")
    world.change(service, EnterpriseId=hotels[1]["Id"])
    pipeline.refresh()
    assert pipeline.offered.notices == ("services/getAll: 1 service(s) belong to another hotel now, with their orders",)
    found = "SELECT DISTINCT enterprise_id FROM mews.product_service_order_versions WHERE service_id = '{}'"
    assert pipeline.query(found.format(service["Id"])) == [(hotels[1]["Id"],)]
    progress = f"SELECT enterprise_id, last_error FROM mews.sync_state WHERE scope_id = '{service['Id']}'"
    assert pipeline.query(progress) == [(hotels[1]["Id"], None)]
