"""Order items and products: what is kept of them, exact money, and that no fault of them costs anything else."""

from dataclasses import replace
from decimal import Decimal

import pytest

from pso_pipeline.contract.endpoints import ORDER_ITEMS, PRODUCT_SERVICE_ORDERS, PRODUCTS
from pso_pipeline.ingestion.sync import SyncOptions, combine_reports, sync_records
from pso_pipeline.warehouse.accounts import forget_accounts
from pso_pipeline.warehouse.checks.evaluate import evaluate_landed
from pso_pipeline.warehouse.reading import read_troubles
from pso_pipeline_tests.fakes.faults import Answer, Garble
from pso_pipeline_tests.truth import expected_items, landed_items

NOT_FOUND, UNAUTHORIZED, FORBIDDEN = 404, 401, 403


@pytest.fixture
def order(world):
    return world.add_order(world.add_service(world.add_enterprise(Name="Grand Hotel")))


@pytest.fixture
def read(pipeline):
    """Refresh orders, items and products as the steps of a run do; the combined report."""

    def reading(**options):
        reports = []
        for endpoint in (PRODUCT_SERVICE_ORDERS, ORDER_ITEMS, PRODUCTS):
            pipeline.endpoint = endpoint
            reports.append(pipeline.refresh(**options))
        return combine_reports(reports)

    return reading


def sync_items(pipeline, **options):
    pipeline.endpoint = ORDER_ITEMS
    chosen = replace(SyncOptions(endpoint=ORDER_ITEMS), **options)
    return pipeline._with_api(lambda api: sync_records(api, pipeline.warehouse, chosen), None)


def test_items_of_unknown_types_are_kept_and_of_other_documented_types_left_out(pipeline, world, order, read):
    for kind in ("ProductOrder", "CancellationFee", "SpaceOrder", "CityTax", "Teleport"):
        world.add_item(order, Type=kind)
    assert read().left_out == 2
    kinds = "SELECT type FROM mews.order_items ORDER BY type"
    assert pipeline.query(kinds) == [("CancellationFee",), ("ProductOrder",), ("Teleport",)]
    sync_items(pipeline, is_full=True, kept_kinds=["SpaceOrder"])
    assert ("SpaceOrder",) in pipeline.query(kinds)
    assert ("CityTax",) not in pipeline.query(kinds)


def test_money_is_exact_from_the_api_to_the_table(pipeline, world, order, read):
    values = ["12345678901234.5678", "-12345678901234.5678", "0.1", "0.2", "-0.3", "1e2", "1.5E-3", "100", "-100.10"]
    for number in range(len(values)):
        amount = {"Currency": "JPY", "NetValue": f"@{number}@", "GrossValue": 1}
        world.add_item(order, Amount=amount, UnitAmount=amount, OriginalAmount=amount)
    too_large = {"Currency": "EUR", "NetValue": 100_000_000_000_000, "GrossValue": 1}
    world.add_item(order, Amount=too_large)

    def as_numbers(body):
        for number, value in enumerate(values):
            body = body.replace(f'"@{number}@"'.encode(), value.encode())
        return body

    pipeline.sandbox.faults.add(Garble(as_numbers), operation=ORDER_ITEMS.operation, times=None)
    report = read()
    assert (report.failed, report.troubles, report.rejected) == ((), (), 1)
    landed = {row[0] for row in pipeline.query("SELECT net_value FROM mews.order_items")}
    assert landed == {Decimal(value) for value in values}
    assert pipeline.query("SELECT sum(unit_net_value) FROM mews.order_items WHERE abs(net_value) < 1") == [
        (Decimal("0.0015"),)
    ]


def test_products_are_named_in_the_language_of_the_hotel_and_read_seldom(pipeline, world, order, read):
    names = {"de-DE": "Frühstück", "en-US": "Breakfast"}
    world.add_product(order["ServiceId"], Names=names)
    world.add_product(order["ServiceId"], Names={"fr-FR": "Petit-déjeuner"})
    world.add_product(order["ServiceId"], Names={})
    read()
    assert set(pipeline.query("SELECT name FROM mews.products")) == {("Breakfast",), ("Petit-déjeuner",), (None,)}
    pipeline.sandbox.requests.clear()
    read()
    assert pipeline.order_requests() == [], "not before half a day has passed"
    world.clock.advance(13 * 3600)
    read()
    assert ["UpdatedUtc" in each.body for each in pipeline.order_requests()] == [True]


@pytest.mark.parametrize("status", [UNAUTHORIZED, NOT_FOUND, FORBIDDEN])
def test_a_token_that_may_not_read_items_loses_them_alone_with_one_line(pipeline, world, order, read, status):
    for number in range(3):
        another = world.add_order(world.add_service(world.add_enterprise(Name=f"Hotel {number}")))
        world.add_item(another)
    for endpoint in (ORDER_ITEMS, PRODUCTS):
        pipeline.sandbox.faults.add(Answer(status), operation=endpoint.operation, times=None)
    report = read()
    assert report.failed == ()
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders") == [(4,)]
    assert [line.split(":")[0] for line in report.troubles] == [
        "order_items could not be read",
        "products could not be read",
    ]
    assert f"status {status}" in report.troubles[0]
    most = 1 if status != FORBIDDEN else 4
    assert len(pipeline.sandbox.requests.of(ORDER_ITEMS.operation)) <= most
    with pipeline.warehouse.open() as connection:
        assert len(read_troubles(connection)) == 8

    pipeline.sandbox.faults.clear()
    assert (read().troubles, pipeline.query("SELECT count(*) FROM mews.order_items")) == ((), [(3,)])


@pytest.mark.parametrize("fault", [Answer(500), Garble(lambda body: body[: len(body) // 2]), Garble(lambda _: b"[]")])
def test_a_fault_of_items_costs_no_order(pipeline, world, order, read, fault):
    world.add_item(order)
    pipeline.sandbox.faults.add(fault, operation=ORDER_ITEMS.operation, times=None)
    report = read()
    assert report.failed == ()
    assert len(report.troubles) == 1
    assert pipeline.query("SELECT count(*) FROM mews.product_service_orders") == [(1,)]
    pipeline.sandbox.faults.clear()
    assert read().troubles == ()
    truth = world.snapshot(world.clock.now())
    with pipeline.warehouse.open() as connection:
        assert landed_items(connection) == expected_items(truth.items)


def test_an_account_that_is_forgotten_is_in_no_item(pipeline, world, order, read):
    account = "7f3a9c1e-55d0-4b7e-9f21-0a8de6c41b77"
    world.add_item(order, AccountId=account, Notes="likes tea", BillingName="Ms Tea")
    world.add_item(order, Notes=f"for {account}")
    world.add_item(order, Notes="no guest")
    read()
    with pipeline.warehouse.open() as connection:
        forget_accounts(connection, [account])
    kept = "SELECT notes, billing_name, account_id = '7f3a9c1e-55d0-4b7e-9f21-0a8de6c41b77' FROM mews.order_items"
    assert sorted(map(str, pipeline.query(kept))) == sorted(
        map(str, [(None, None, None), (None, None, False), ("no guest", None, False)])
    )
    read(is_full=True)
    assert not [row for row in pipeline.query("FROM mews.order_items") if account in str(row)]


def test_its_checks_find_unknown_services_amounts_and_currencies(pipeline, world, order, read):
    euros = {"Currency": "EUR", "NetValue": 3.34, "GrossValue": 4.05}
    world.add_item(order, UnitCount=3, UnitAmount=euros, Amount=euros | {"NetValue": 10.01, "GrossValue": 12.15})
    world.add_item(order, UnitCount=3, UnitAmount=euros, Amount=euros | {"NetValue": 10.06, "GrossValue": 12.15})
    world.add_item(order, ServiceId="00000001-0000-4000-8000-00000000000f")
    shells = {"Currency": "Shells", "NetValue": 1, "GrossValue": 1}
    world.add_item(order, UnitAmount=shells, Amount=shells, Type="SomethingNew")
    pipeline.sandbox.requests.clear()
    read()
    world.change(order["ServiceId"])
    with pipeline.warehouse.open() as connection:
        verdicts = {each.rule.name: each for each in evaluate_landed(connection, endpoints=[ORDER_ITEMS])}
    found = {name: (each.violations, each.rule.blocks) for name, each in verdicts.items()}
    assert found == {
        "ids_are_unique": (0, True),
        "values_and_fields_are_documented": (1, False),
        "services_and_hotels_are_known": (0, False),
        "amounts_add_up": (1, False),
        "currencies_are_known": (1, False),
    }
    assert verdicts["values_and_fields_are_documented"].found_in[0].detail == "type SomethingNew: 1"
