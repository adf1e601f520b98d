"""What lands equals what the server holds: the generated world, another implementation, the specification's example."""

from pso_pipeline.ingestion import fetch
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.world import GeneratedWorld
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve
from pso_pipeline_tests.fakes.specification import specification_world
from pso_pipeline_tests.ingestion.other_api import OtherApi, serve_other_api
from pso_pipeline_tests.truth import expected_rows, landed_rows


def assert_equals(pipeline, orders, services):
    with pipeline.warehouse.open() as connection:
        assert landed_rows(connection) == expected_rows(orders, services)


def test_a_generated_world_lands_to_the_row_and_the_field_and_again_a_month_later(make_pipeline):
    world = GeneratedWorld(seed=7, enterprises=6, orders=8_000)
    world.clock.freeze()
    with serve(world, requests_per_window=None) as sandbox:
        pipeline = make_pipeline(sandbox.address, world.client_token, world.access_token)
        pipeline.refresh()
        truth = world.snapshot(world.clock.now())
        assert len(truth.orders) > 6_000
        assert_equals(pipeline, truth.orders, truth.services)
        world.clock.advance(30 * 86400)
        report = pipeline.refresh()
        assert sum(outcome.changed for outcome in report.enterprises) > 50
        truth = world.snapshot(world.clock.now())
        assert_equals(pipeline, truth.orders, truth.services)


def test_a_generated_world_lands_in_the_order_of_creation_too(make_pipeline):
    generated = GeneratedWorld(seed=7, enterprises=3, orders=4_000)
    truth = generated.snapshot(generated.clock.now())
    world = ScriptedWorld(order_by="created")
    world.add_all(truth)
    with serve(world, requests_per_window=None) as sandbox:
        pipeline = make_pipeline(sandbox.address, world.client_token, world.access_token)
        assert pipeline.refresh().failed == ()
    assert_equals(pipeline, truth.orders, truth.services)


def test_another_implementation_of_the_api(make_pipeline, monkeypatch):
    monkeypatch.setattr(fetch, "PAGE_SIZE", 7)
    enterprises = [{"Id": "e1", "Name": "Elsewhere", "TimeZoneIdentifier": "Asia/Tokyo", "Stars": 5}]
    services = [
        {"Id": f"s{n}", "EnterpriseId": "e1", "Name": "Spa", "Data": {"Discriminator": "Additional"}} for n in (1, 2)
    ]
    orders = [
        {
            "Id": f"o{n:03}",
            "ServiceId": f"s{1 + n % 2}",
            "State": "Confirmed",
            "CreatedUtc": f"2026-01-{1 + n % 28:02}T10:00:00Z",
            "UpdatedUtc": f"2026-02-{1 + n % 28:02}T10:00:00Z",
            "Mood": {"n": n},
        }
        for n in range(100)
    ]
    api = OtherApi(enterprises, services, orders)
    with serve_other_api(api) as address:
        pipeline = make_pipeline(address, "client-token", "access-token")
        assert pipeline.refresh().failed == ()
        assert_equals(pipeline, orders, services)
        orders[3] |= {"State": "Canceled", "UpdatedUtc": "2099-01-01T00:00:00Z"}
        orders.append(orders[0] | {"Id": "new"})
        ((reached,),) = pipeline.query("SELECT strftime(max(watermark_utc), '%xT%XZ') FROM mews.sync_state")
        orders[-1]["UpdatedUtc"] = reached
        assert pipeline.refresh().enterprises[0].created == 1


def test_the_specification_s_example_lands_as_it_stands(make_pipeline):
    world = specification_world()
    with serve(world) as sandbox:
        pipeline = make_pipeline(sandbox.address, world.client_token, world.access_token)
        assert pipeline.refresh().failed == ()
    row = pipeline.query(
        "SELECT number, state, origin, connector_check_in, created_utc, linked_reservation_id"
        " FROM mews.product_service_orders WHERE id = '9e6d4492-315b-4089-b9d6-5b1bd2eddc1b'"
    )
    assert [tuple(map(str, each)) for each in row] == [
        ("52", "Confirmed", "Connector", "True", "2023-04-23 14:58:02", "0f515589-99b4-423d-b83a-b237009f0509")
    ]


def test_200_quiet_enterprises_behind_one_token_cost_a_request_for_each_1000_services(make_pipeline, any_server_time):
    clock = Clock(frozen_at="2026-06-01T03:00:00Z")
    world = GeneratedWorld(seed=1, enterprises=200, orders=2_000, clock=clock)
    with serve(world, requests_per_window=None) as sandbox:
        pipeline = make_pipeline(sandbox.address, world.client_token, world.access_token)
        assert pipeline.refresh().failed == ()
        report = pipeline.refresh()
        assert report.requests["productServiceOrders/getAll"] <= 2
        assert report.failed == ()
