"""Worlds that tests write: records are sent unchanged, and change while they are read."""

from typing import Any

import pytest

from pso_pipeline.sandbox.clock import Clock
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve

ENTERPRISES, SERVICES, ORDERS = "enterprises/getAll", "services/getAll", "productServiceOrders/getAll"
NOW = "2026-05-01T12:00:00Z"


@pytest.fixture(params=["updated", "created"])
def world(request):
    return ScriptedWorld(clock=Clock(frozen_at=NOW), order_by=request.param)


@pytest.fixture
def sandbox(world):
    with serve(world) as running:
        yield running


@pytest.fixture
def api(sandbox, connect):
    return connect(sandbox)


@pytest.fixture
def service(world):
    return world.add_service(world.add_enterprise())


def minute(number):
    return f"2026-05-01T11:{number:02d}:00Z"


def ids(records):
    return [record["Id"] for record in records]


def test_a_world_without_anything(api):
    assert api.walk(ENTERPRISES) == api.walk(SERVICES) == []


@pytest.mark.parametrize("count", [1, 3, 7, 10, 11, 1000])
def test_pages_hold_every_order_once_newest_first(world, service, api, count):
    for number in range(10):
        world.add_order(service, CreatedUtc=minute(number), UpdatedUtc=minute(50 - number))
    orders = api.walk(ORDERS, count, ServiceIds=[service["Id"]])
    assert orders == world.snapshot(NOW).orders
    assert len({order["Id"] for order in orders}) == 10
    field = "UpdatedUtc" if world._order_by == "updated" else "CreatedUtc"
    times = [order[field] for order in orders]
    assert times == sorted(times, reverse=True)


def test_equal_times_lose_no_order(world, service, api):
    added = [world.add_order(service, CreatedUtc=minute(5)) for _ in range(9)]
    found = ids(api.walk(ORDERS, 2, ServiceIds=[service["Id"]]))
    assert sorted(found) == sorted(ids(added))


def test_the_last_page_may_end_exactly_with_the_last_order(world, service, api):
    for number in range(6):
        world.add_order(service, CreatedUtc=minute(number))
    assert [len(page) for page in api.pages(ORDERS, 3, ServiceIds=[service["Id"]])] == [3, 3, 0]


def test_intervals_include_both_ends(world, service, api):
    orders = [world.add_order(service, CreatedUtc=minute(number)) for number in range(5)]
    found = api.walk(ORDERS, ServiceIds=[service["Id"]], UpdatedUtc={"StartUtc": minute(1), "EndUtc": minute(3)})
    assert sorted(ids(found)) == ids(orders[1:4])


def test_filters_narrow_each_other(world, service, api):
    other = world.add_service(service["EnterpriseId"], Name="Spa")
    guest, stay = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000001"
    wanted = world.add_order(service, State="Started", AccountId=guest, LinkedReservationId=stay)
    world.add_order(service, State="Canceled", AccountId=guest, LinkedReservationId=stay)
    world.add_order(service, State="Started", AccountId=guest)
    world.add_order(other, State="Started", AccountId=guest, LinkedReservationId=stay)
    found = api.walk(
        ORDERS, ServiceIds=[service["Id"]], AccountIds=[guest], LinkedReservationIds=[stay], States=["Started"]
    )
    assert found == [wanted]


def test_records_are_sent_unchanged(world, service, api):
    odd = world.add_order(
        service, State="Hibernating", Origin=None, Options=None, NewField={"nested": ["ü"]}, BookerId=7, Number=None
    )
    assert api.walk(ORDERS, ServiceIds=[service["Id"]]) == [odd]


def test_records_that_are_no_orders_come_too(world, service, api):
    world.add_order(service, CreatedUtc=minute(1))
    records: tuple[Any, ...] = (42, "text", None, [], {"Id": None})
    for record in records:
        world.add_malformed_order(service, record, at=minute(2))
    broken = world.add_order(service, at=minute(3), CreatedUtc="yesterday", UpdatedUtc=None)
    found = api.walk(ORDERS, 2, ServiceIds=[service["Id"]])
    assert found[0] == broken
    assert [record for record in found if not isinstance(record, dict)] == [[], None, "text", 42]
    assert len(found) == 7


def test_an_order_can_become_visible_later(world, service, sandbox, api):
    late = world.add_order(service, UpdatedUtc=minute(10), visible_from="2026-05-01T12:05:00Z")
    assert api.walk(ORDERS, ServiceIds=[service["Id"]]) == []
    assert world.snapshot(NOW).orders == []
    sandbox.clock.advance(300)
    assert api.walk(ORDERS, ServiceIds=[service["Id"]]) == [late]


def test_changes_and_removals_show_at_once(world, service, sandbox, api):
    order = world.add_order(service, CreatedUtc=minute(1))
    gone = world.add_order(service, CreatedUtc=minute(2))
    sandbox.clock.advance(60)
    changed = world.change(order, State="Canceled", CancelledUtc=NOW)
    world.remove(gone)
    assert changed["UpdatedUtc"] == "2026-05-01T12:01:00Z"
    assert api.walk(ORDERS, ServiceIds=[service["Id"]]) == [changed]
    assert order["State"] == "Confirmed"
    assert world.change(service, IsActive=False) in api.walk(SERVICES)


def test_an_enterprise_can_leave_the_scope(world, api):
    first, second = world.add_enterprise(Name="First"), world.add_enterprise(Name="Second")
    world.grant(world.access_token, [first, second])
    assert len(api.walk(ENTERPRISES)) == 2
    world.grant(world.access_token, [second])
    assert [one["Name"] for one in api.walk(ENTERPRISES)] == ["Second"]


def test_a_service_can_answer_400(world, service, api):
    other = world.add_service(service["EnterpriseId"])
    world.refuse_service(service)
    assert api.post(ORDERS, ServiceIds=[other["Id"]]).status_code == 200
    answer = api.post(ORDERS, ServiceIds=[other["Id"], service["Id"]])
    assert (answer.status_code, answer.json()["Message"]) == (400, "Invalid ServiceIds")


def test_a_change_can_wait_for_a_page(world, service, api):
    orders = [world.add_order(service, CreatedUtc=minute(number)) for number in range(6)]
    world.after_page(2, lambda: world.change(orders[0], State="Started"))
    pages = list(api.pages(ORDERS, 2, ServiceIds=[service["Id"]]))
    seen = [order["State"] for page in pages for order in page if order["Id"] == orders[0]["Id"]]
    # By update time it has moved to the top, past what is still to be read; by creation it stays and shows its change.
    assert seen == ([] if world._order_by == "updated" else ["Started"])
    assert len(pages) == (3 if world._order_by == "updated" else 4)


def test_a_hook_of_another_operation_waits_for_its_own_pages(world, api):
    world.add_enterprise()
    world.after_page(1, world.add_enterprise, operation=ENTERPRISES)
    api.walk(SERVICES)
    assert len(api.walk(ENTERPRISES)) == 1
    assert len(api.walk(ENTERPRISES)) == 2


def test_the_cursor_may_have_moved_but_must_exist(world, service, api):
    orders = [world.add_order(service, CreatedUtc=minute(number)) for number in range(4)]
    world.remove(orders[2])
    limitation = {"Count": 2, "Cursor": orders[2]["Id"]}
    answer = api.post(ORDERS, ServiceIds=[service["Id"]], Limitation=limitation)
    assert (answer.status_code, answer.json()["Message"]) == (400, "Invalid Limitation.Cursor")


def test_one_id_cannot_stand_for_two_orders(world, service):
    order = world.add_order(service)
    with pytest.raises(ValueError, match="already"):
        world.add_order(service, Id=order["Id"])


def test_a_change_of_a_returned_record_does_not_change_the_world(world, service, api):
    order = world.add_order(service)
    order["Options"]["OwnerCheckedIn"] = True
    world.snapshot(NOW).orders[0]["State"] = "Changed"
    (held,) = api.walk(ORDERS, ServiceIds=[service["Id"]])
    assert held["Options"]["OwnerCheckedIn"] is False
    assert held["State"] == "Confirmed"
