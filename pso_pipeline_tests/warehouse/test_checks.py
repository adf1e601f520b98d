"""What the rules count: a hotel's orders, broken in one way each, and what a second look costs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS
from pso_pipeline.warehouse.checks import evaluate
from pso_pipeline.warehouse.checks.evaluate import evaluate_derived, evaluate_landed, find_held_back
from pso_pipeline.warehouse.checks.readings import Volume, read_rejections, read_repeated_ids, read_volumes
from pso_pipeline.warehouse.checks.rules import DERIVED_RULES, LANDED_RULES
from pso_pipeline.warehouse.marts.derive import create_marts, derive
from pso_pipeline_tests.marts.rows import insert

ORDERS = 40


@pytest.fixture
def connection(warehouse):
    """Two hotels with a service and 40 orders each, as they should be."""
    with warehouse.open() as connection:
        create_marts(connection)
        for hotel in ("astoria", "bristol"):
            names = {"id": hotel, "name": hotel.title(), "partition_key": f"{hotel}-1", "is_in_scope": True}
            insert(connection, "enterprises", [{**names, "time_zone_identifier": "UTC"}])
            insert(connection, "services", [{"id": f"spa of {hotel}", "enterprise_id": hotel, "kind": "Additional"}])
            read = {"watermark_utc": "2024-07-01T00:00:00", "revision": 1}
            insert(connection, "sync_state", [{"service_id": f"spa of {hotel}", "enterprise_id": hotel, **read}])
            insert(connection, "product_service_orders", [order(hotel, number) for number in range(ORDERS)])
        yield connection


def order(hotel, number):
    is_canceled = number % 4 == 0
    return {
        "id": f"{hotel} {number}",
        "enterprise_id": hotel,
        "service_id": f"spa of {hotel}",
        "account_id": f"account {number}",
        "account_type": "Customer",
        "state": "Canceled" if is_canceled else "Confirmed",
        "origin": "Commander",
        "created_utc": "2024-05-01T12:00:00",
        "updated_utc": "2024-05-03T12:00:00",
        "cancelled_utc": "2024-05-02T12:00:00" if is_canceled else None,
        "fetched_utc": "2024-06-01T00:00:00",
        "is_missing_from_source": False,
    }


def change(connection, assignments, orders):
    """Change so many orders of the Astoria and let a landing seem to have done it."""
    connection.execute(
        f"UPDATE mews.product_service_orders SET {assignments}"
        " WHERE enterprise_id = 'astoria' AND id IN (SELECT id FROM mews.product_service_orders"
        " WHERE enterprise_id = 'astoria' ORDER BY state, id LIMIT ?)",
        [orders],
    )
    touch(connection)


def touch(connection):
    connection.execute("UPDATE mews.sync_state SET revision = revision + 1 WHERE enterprise_id = 'astoria'")


def verdicts(connection, evaluate=evaluate_landed, **options):
    return {verdict.rule.name: verdict for verdict in evaluate(connection, **options)}


@pytest.mark.stores("file", "lake", "s3")
def test_good_orders_keep_every_rule(connection):
    found = verdicts(connection)
    assert set(found) == {rule.name for rule in LANDED_RULES}
    assert {name: (each.violations, each.broken_in) for name, each in found.items()} == dict.fromkeys(found, (0, ()))
    assert found["ids_are_unique"].checked == 2 * ORDERS
    assert found["canceled_orders_are_dated"].checked == 2 * ORDERS / 4


BROKEN = {
    "ids_are_unique": ("id = 'astoria 1'", 3, 2, "for example astoria 1"),
    "services_and_hotels_are_known": ("service_id = 'sauna'", 2, 2, "service sauna"),
    "dates_are_in_order": ("created_utc = '2024-05-04'", 2, 2, "updated before created: 2, canceled before created: 2"),
    "canceled_orders_are_dated": ("cancelled_utc = NULL", 2, 2, "for example astoria 0"),
    "values_and_fields_are_documented": (
        "state = 'Waitlisted', extra = '{\"Mood\": 1}'",
        2,
        2,
        "field Mood: 2, state Waitlisted: 2",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_order_is_counted_where_it_is(connection, name):
    assignments, orders, violations, detail = BROKEN[name]
    verdicts(connection)
    change(connection, assignments, orders)
    verdict = verdicts(connection)[name]
    (found,) = verdict.found_in
    assert (found.partition_key, found.detail) == ("astoria-1", detail)
    assert verdict.violations == found.violations >= violations
    others = {each: other.violations for each, other in verdicts(connection, enterprise_ids=["bristol"]).items()}
    assert others[name] == verdict.violations, "what an earlier look found still counts"


@pytest.mark.parametrize(
    ("zone", "detail"),
    [("Middle-earth/Shire", "time zone Middle-earth/Shire"), (None, "it has no time zone"), ("", "time zone ")],
)
def test_a_hotel_without_a_usable_time_zone_is_named(connection, zone, detail):
    verdicts(connection)
    connection.execute("UPDATE mews.enterprises SET time_zone_identifier = ? WHERE id = 'astoria'", [zone])
    verdict = verdicts(connection)["time_zones_are_known"]
    (found,) = verdict.found_in
    assert (found.partition_key, found.violations, found.detail) == ("astoria-1", ORDERS, detail)
    assert not verdict.broken_in, "it is published all the same"
    connection.execute("UPDATE mews.enterprises SET time_zone_identifier = 'UTC' WHERE id = 'astoria'")
    assert verdicts(connection)["time_zones_are_known"].found_in == ()


@pytest.mark.parametrize(
    ("assignments", "detail"),
    [
        ("updated_utc = '2024-04-01'", "updated before created: 1, canceled after the last update: 1"),
        ("cancelled_utc = '2024-05-09'", "canceled after the last update: 1"),
        ("updated_utc = '2034-01-01'", "in the future: 1"),
    ],
)
def test_dates_out_of_order_are_told_apart(connection, assignments, detail):
    change(connection, assignments, 1)
    assert verdicts(connection)["dates_are_in_order"].found_in[0].detail == detail


def test_an_order_with_several_oddities_counts_once_and_each_of_them_is_named(connection):
    change(
        connection,
        "origin = 'Telepathy', commander_origin = 'Dream', account_type = 'Ghost', state = NULL,"
        ' extra = \'{"Mood": 1, "Aura": null}\'',
        2,
    )
    change(connection, "origin = 'Telepathy'", 3)
    connection.execute("UPDATE mews.product_service_orders SET extra = '{}' WHERE id = 'bristol 7'")
    (found,) = verdicts(connection)["values_and_fields_are_documented"].found_in
    assert (found.partition_key, found.checked, found.violations) == ("astoria-1", ORDERS, 5)
    assert found.detail == (
        "origin Telepathy: 5, account type Ghost: 2, commander origin Dream: 2, field Aura: 2, field Mood: 2, "
        "state null: 2"
    )


def test_an_order_without_a_hotel_is_found(connection):
    verdicts(connection)
    change(connection, "enterprise_id = NULL", 1)
    verdict = verdicts(connection)["services_and_hotels_are_known"]
    (found,) = verdict.found_in
    assert (found.partition_key, found.violations, verdict.broken_in) == ("no hotel", 1, ())


@pytest.mark.parametrize("others", [0, 30], ids=["of two hotels", "of many hotels"])
def test_an_id_in_two_hotels_is_found_though_only_one_of_them_changed(connection, others):
    insert(connection, "enterprises", [{"id": f"other {number}"} for number in range(others)])
    verdicts(connection)
    change(connection, "id = 'bristol 1'", 1)
    found = verdicts(connection)["ids_are_unique"]
    assert found.counted_now == 1
    assert [(each.partition_key, each.violations) for each in found.broken_in] == [("astoria-1", 1)]


@pytest.mark.parametrize("others", [0, 30], ids=["of two hotels", "of many hotels"])
def test_an_id_that_is_there_twice_in_a_hotel_counts_with_each_row(connection, others):
    insert(connection, "enterprises", [{"id": f"other {number}"} for number in range(others)])
    verdicts(connection)
    insert(connection, "product_service_orders", [order("astoria", number) for number in (3, 3, 5)])
    touch(connection)
    (found,) = verdicts(connection)["ids_are_unique"].broken_in
    assert (found.checked, found.violations, found.detail) == (ORDERS + 3, 5, "for example astoria 3")


def test_nothing_is_counted_twice(connection):
    assert verdicts(connection)
    assert verdicts(connection) == {}
    touch(connection)
    assert verdicts(connection)["ids_are_unique"].counted_now == 1


def test_what_is_broken_is_counted_until_it_is_not(connection):
    change(connection, "id = 'astoria 1'", 2)
    assert verdicts(connection)["ids_are_unique"].broken_in
    assert verdicts(connection)["ids_are_unique"].broken_in
    connection.execute("DELETE FROM mews.product_service_orders WHERE id = 'astoria 1'")
    assert not verdicts(connection)["ids_are_unique"].violations
    assert verdicts(connection) == {}


ODD_AT_THE_SOURCE = {name: broken for name, broken in BROKEN.items() if name != "ids_are_unique"}


@pytest.mark.parametrize("name", ODD_AT_THE_SOURCE)
def test_what_a_source_sends_never_holds_a_hotel_back(connection, name):
    change(connection, ODD_AT_THE_SOURCE[name][0], ORDERS)
    derive(connection)
    assert find_held_back(connection) == {}
    assert verdicts(connection, enterprise_ids=["astoria"])[name].violations >= ORDERS / 4


def test_only_rules_about_our_own_faults_hold_hotels_back():
    assert [rule.name for rule in (*LANDED_RULES, *DERIVED_RULES) if rule.blocks] == [
        "ids_are_unique",
        "metrics_add_up",
        "item_revenue_adds_up",
    ]


@pytest.mark.stores("file", "lake", "s3")
def test_an_order_that_is_there_twice_holds_its_hotel_back_until_it_is_there_once(connection):
    insert(connection, "product_service_orders", [order("astoria", 3)])
    touch(connection)
    derive(connection)
    reason = f"ids_are_unique: 2 of {ORDERS + 1} orders (for example astoria 3)"
    assert find_held_back(connection) == {"astoria": reason}
    assert find_held_back(connection) == {"astoria": reason}, "though nothing changed"
    connection.execute("DELETE FROM mews.product_service_orders WHERE id = 'astoria 3'")
    insert(connection, "product_service_orders", [order("astoria", 3)])
    touch(connection)
    derive(connection)
    assert find_held_back(connection) == {}


def test_an_order_without_a_hotel_that_is_there_twice_holds_no_hotel_back(connection):
    insert(connection, "product_service_orders", [order("astoria", 99) | {"enterprise_id": None}] * 2)
    touch(connection)
    derive(connection)
    assert find_held_back(connection) == {}
    assert verdicts(connection, enterprise_ids=["astoria"])["ids_are_unique"].violations == 2


@pytest.mark.parametrize(
    ("spoil", "held_back"),
    [
        (
            "INSERT INTO mews.services FROM mews.services WHERE enterprise_id = 'astoria'",
            {"astoria": "its service spa of astoria is listed 2 times"},
        ),
        (
            "INSERT INTO mews.enterprises FROM mews.enterprises WHERE id = 'astoria'",
            {"astoria": "the hotel is listed 2 times"},
        ),
        (
            "UPDATE mews.enterprises SET partition_key = 'same'",
            dict.fromkeys(("astoria", "bristol"), "another hotel has its partition key same"),
        ),
        ("UPDATE mews.enterprises SET partition_key = NULL", {}),
    ],
)
def test_hotels_whose_ids_or_keys_are_not_theirs_alone_are_held_back(connection, spoil, held_back):
    connection.execute(spoil)
    touch(connection)
    derive(connection)
    found = find_held_back(connection)
    assert found.keys() == held_back.keys()
    assert all(reason in found[hotel].split("; ") for hotel, reason in held_back.items())


SPOILED = {
    "firm_orders": "UPDATE mart.agg_orders_daily SET firm_orders = firm_orders + 1 WHERE enterprise_id = 'astoria'",
    "cancellations": "UPDATE mart.agg_orders_daily SET cancellations = 0 WHERE enterprise_id = 'astoria'",
    "landed_orders": "DELETE FROM mart.fct_product_service_orders WHERE order_id = 'astoria 1'",
    "orders_on_the_curve": "UPDATE internal.cancellation_curve_runs SET orders_at_risk = 0",
    "orders_created": "DELETE FROM mart.agg_orders_daily WHERE enterprise_id = 'astoria'",
}


@pytest.mark.parametrize("figure", SPOILED)
def test_metrics_that_do_not_add_up_are_computed_again_from_the_landed_orders(connection, figure):
    derive(connection)
    good = verdicts(connection, evaluate_derived)["metrics_add_up"]
    assert (good.checked, good.violations) == (2 * ORDERS, 0)
    assert verdicts(connection, evaluate_derived) == {}
    facts = connection.execute("FROM mart.agg_orders_daily ORDER BY ALL").fetchall()
    connection.execute(SPOILED[figure])
    mended = verdicts(connection, evaluate_derived, enterprise_ids=["astoria", "bristol"])["metrics_add_up"]
    assert (mended.checked, mended.violations) == (2 * ORDERS, 0)
    assert connection.execute("FROM mart.agg_orders_daily ORDER BY ALL").fetchall() == facts
    assert find_held_back(connection) == {}


@pytest.mark.parametrize("figure", SPOILED)
def test_metrics_that_do_not_add_up_even_then_are_named(connection, figure, monkeypatch):
    def derive_wrongly(connection, *arguments, **options):
        derive(connection, *arguments, **options)
        connection.execute(SPOILED[figure])

    monkeypatch.setattr(evaluate, "derive", derive_wrongly)
    derive_wrongly(connection)
    broken = verdicts(connection, evaluate_derived)["metrics_add_up"].broken_in
    assert broken[0].partition_key == "astoria-1"
    assert f"{figure} off by" in str(broken[0].detail)
    assert find_held_back(connection)["astoria"].startswith("metrics_add_up: ")


SPOILED_ITEMS = {
    "landed items off by 1 items": "DELETE FROM mart.fct_order_items WHERE item_id = 'item 1'",
    "EUR off by 4 items": "DELETE FROM mart.agg_item_revenue_daily",
    "amounts of EUR differ": "UPDATE mart.agg_item_revenue_daily SET other_net_value = other_net_value + 0.0001",
    "of EUR differ": "UPDATE mart.agg_item_revenue_daily SET consumed_quantity = consumed_quantity + 1",
}


@pytest.mark.parametrize("detail", SPOILED_ITEMS)
def test_amounts_that_do_not_add_up_are_computed_again_or_hold_their_hotel_back(connection, detail, monkeypatch):
    progress = {"endpoint": "order_items", "service_id": "astoria", "enterprise_id": "astoria", "revision": 1}
    insert(connection, "sync_state", [progress | {"watermark_utc": datetime(2024, 7, 1, tzinfo=UTC)}])
    item = {"enterprise_id": "astoria", "service_id": "spa of astoria", "type": "ProductOrder", "unit_count": 1}
    priced = item | {"currency": "EUR", "gross_value": Decimal("10.70"), "net_value": Decimal("10.0000")}
    dated = priced | {"created_utc": datetime(2024, 6, 1, tzinfo=UTC), "accounting_state": "Open"}
    insert(connection, "order_items", [dated | {"id": f"item {number}"} for number in range(4)])
    derive(connection)
    assert verdicts(connection, evaluate_derived)["item_revenue_adds_up"].checked == 4
    connection.execute(SPOILED_ITEMS[detail])
    mended = verdicts(connection, evaluate_derived, enterprise_ids=["astoria"])["item_revenue_adds_up"]
    assert (mended.checked, mended.violations) == (4, 0)

    def derive_wrongly(connection, *arguments, **options):
        derive(connection, *arguments, **options)
        connection.execute(SPOILED_ITEMS[detail])

    monkeypatch.setattr(evaluate, "derive", derive_wrongly)
    derive_wrongly(connection, ["astoria"])
    broken = verdicts(connection, evaluate_derived, enterprise_ids=["astoria"])["item_revenue_adds_up"].broken_in
    assert detail in str(broken[0].detail)
    assert "item_revenue_adds_up: " in find_held_back(connection)["astoria"]


def test_what_landed_after_the_marts_were_made_is_not_held_against_them(connection):
    derive(connection)
    insert(connection, "product_service_orders", [order("astoria", ORDERS)])
    touch(connection)
    assert not verdicts(connection, evaluate_derived, enterprise_ids=["astoria"])["metrics_add_up"].violations


def test_every_rule_has_its_statement():
    assert {rule.name for rule in LANDED_RULES} == {*BROKEN, "time_zones_are_known"}
    assert [rule.name for rule in DERIVED_RULES] == ["metrics_add_up", "item_revenue_adds_up"]


def test_repeated_ids_and_keys_of_hotels_and_services_are_found(connection):
    assert read_repeated_ids(connection) == []
    connection.execute("UPDATE mews.enterprises SET partition_key = 'astoria-1'")
    insert(connection, "services", [{"id": "spa of astoria", "enterprise_id": "bristol"}])
    found = read_repeated_ids(connection)
    assert {(each.table, each.reason.split(" ")[0], each.partition_key) for each in found} == {
        ("enterprises", "another", "astoria-1"),
        ("services", "its", "astoria-1"),
    }
    assert {each.enterprise_id for each in found if each.table == "enterprises"} == {"astoria", "bristol"}


@pytest.mark.stores("file", "lake", "s3")
def test_a_rejected_order_counts_until_it_could_be_read(connection):
    rejected = {"operation": "productServiceOrders/getAll", "enterprise_id": "astoria", "reason": "CreatedUtc: no date"}
    insert(
        connection,
        "rejected_records",
        [{**rejected, "record": '{"Id": "late"}', "observed_utc": "2024-06-02T00:00:00"}],
    )
    (found,) = read_rejections(connection, PRODUCT_SERVICE_ORDERS)
    assert (found.reason, found.records, found.for_example) == ("CreatedUtc: no date", 1, "astoria-1")
    insert(
        connection,
        "product_service_orders",
        [{**order("astoria", 99), "id": "late", "fetched_utc": "2024-06-03T00:00:00"}],
    )
    assert read_rejections(connection, PRODUCT_SERVICE_ORDERS) == []


@pytest.mark.parametrize(
    ("last_week", "is_usual"), [(28, True), (20, True), (1, False), (0, False), (90, False), (50, True)]
)
def test_a_drop_and_a_jump_stand_out_from_the_weeks_before(connection, last_week, is_usual):
    connection.execute("DELETE FROM mews.product_service_orders")
    weeks = [last_week, 28, 30, 26, 28, 31, 27, 28, 29, 28]
    last_day = datetime(2024, 6, 30, 6)  # noqa: DTZ001  # the warehouse keeps UTC without a zone
    days = [last_day - timedelta(days=7 * week + 3) for week, count in enumerate(weeks) for _ in range(count)]
    created = [order("astoria", number) | {"created_utc": day.isoformat()} for number, day in enumerate(days)]
    insert(connection, "product_service_orders", created)
    derive(connection)
    (volume,) = read_volumes(connection)
    assert (volume.partition_key, volume.orders, volume.usual) == ("astoria-1", last_week, 28)
    assert volume.is_usual is is_usual


def test_a_hotel_with_few_orders_is_not_judged():
    assert Volume("id", "key", None, orders=0, usual=19, spread=4).is_usual  # type: ignore[arg-type]  # the day plays no part
