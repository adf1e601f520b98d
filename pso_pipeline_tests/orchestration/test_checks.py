"""The checks in runs: what they report, what they hold up, and that a quiet refresh hardly notices them."""

import functools
import json
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from dagster import AssetCheckKey, AssetCheckSeverity, AssetKey, DagsterEventType, materialize

from pso_pipeline.orchestration import assets
from pso_pipeline.orchestration.checks import (
    ASSET_CHECKS,
    ShownStates,
    evaluate_all_landed,
    evaluate_counts,
    evaluate_orders,
    noteworthy,
)
from pso_pipeline.orchestration.definitions import PIPELINE, defs
from pso_pipeline.warehouse.checks import evaluate
from pso_pipeline.warehouse.marts.derive import derive
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.orchestration.test_jobs import failure_of, refresh

ORDERS = AssetKey("product_service_orders")
METRICS = AssetKey("check_in_cancellation_metrics")
ASTORIA, BRISTOL = "astoria-00000001", "bristol-00000009"
CHECKS = {check.name: check for definition in ASSET_CHECKS for check in definition.check_specs_by_output_name.values()}


@pytest.fixture
def landed(instance, sandbox):
    """A pipeline that has run once."""
    assert refresh(instance).success


def change_warehouse(statement):
    """Change the warehouse behind the pipeline's back, and let a landing seem to have done it."""
    with Warehouse("data/warehouse.duckdb").open() as connection:
        connection.execute(statement)
        connection.execute("UPDATE mews.sync_state SET revision = revision + 1")


STORE_TWICE = """
    INSERT INTO mews.product_service_orders
    FROM mews.product_service_orders WHERE enterprise_id LIKE '00000001%' LIMIT 1
"""


def orders_at(world, hotel):
    """The orders of a hotel, by the beginning of its id."""
    truth = world.snapshot(world.clock.now())
    (service,) = [each["Id"] for each in truth.services if each["EnterpriseId"].startswith(hotel)]
    return [each for each in truth.orders if each["ServiceId"] == service]


def an_order(world):
    """An order of the Astoria."""
    return orders_at(world, "00000001")[0]


def evaluations(instance, result):
    """What a run reported, also in a step that failed."""
    logged = instance.all_logs(result.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
    return [each.dagster_event.asset_check_evaluation_data for each in logged]


def evaluation_of(instance, result, name, asset=ORDERS, partition=None):
    (found,) = [
        each
        for each in evaluations(instance, result)
        if (each.check_name, each.asset_key, each.partition) == (name, asset, partition)
    ]
    return found


def published_utc():
    return json.loads(Path("data/bi/manifest.json").read_text(encoding="utf-8"))["published_utc"]


def shown(instance, name, asset=ORDERS):
    """The status of each partition of a check, as the web UI has it."""
    infos = instance.event_log_storage.get_asset_check_partition_info([AssetCheckKey(asset, name)])
    return {info.partition_key: info.latest_execution_status.name for info in infos if info.is_current}


def test_a_first_refresh_evaluates_every_check_and_a_quiet_one_next_to_none(instance, sandbox):
    result = refresh(instance)
    found = evaluations(instance, result)
    assert all(each.passed for each in found)
    assert {each.check_name for each in found} == set(CHECKS) - {"volumes_are_usual"}, "hotels without history"
    assert all(each.metadata for each in found if each.check_name != "api_answers")
    assert evaluation_of(instance, result, "ids_are_unique").metadata["orders_checked"].value == 6
    assert shown(instance, "hotels_are_fresh") == {ASTORIA: "SUCCEEDED", BRISTOL: "SUCCEEDED"}
    assert shown(instance, "counts_match_the_source") == {ASTORIA: "SUCCEEDED", BRISTOL: "SUCCEEDED"}
    sandbox.requests.clear()
    result = refresh(instance)
    assert Counter(each.asset_key.to_user_string() for each in evaluations(instance, result)) == {
        "enterprises": 3,
        "services": 2,
        "bi_snapshot": 2,
    }
    read = [each.body["Limitation"]["Cursor"] is None for each in sandbox.requests.of("productServiceOrders/getAll")]
    assert read == [True, False], "a page and the empty one at its end; nothing is compared again within the hour"


def test_the_hotel_that_changed_is_reported_anew(instance, landed, world):
    world.change(an_order(world), State="Processed")
    result = refresh(instance)
    assert [each.partition for each in evaluations(instance, result) if each.check_name == "hotels_are_fresh"] == [
        ASTORIA
    ]
    assert evaluation_of(instance, result, "ids_are_unique").metadata["hotels_looked_at_now"].value == 1
    assert shown(instance, "hotels_are_fresh") == {ASTORIA: "SUCCEEDED", BRISTOL: "SUCCEEDED"}


def orders_of(name):
    """What is published of a hotel: orders by day, and how the hotel is marked."""
    with duckdb.connect("data/bi/pso_bi.duckdb", read_only=True) as snapshot:
        return snapshot.execute(
            "SELECT sum(orders_created)::INTEGER, sum(checked_in_orders)::INTEGER,"
            " any_value(hotel.as_of_utc), any_value(is_held_back)"
            " FROM mart.dim_enterprises AS hotel LEFT JOIN mart.agg_orders_daily USING (enterprise_id)"
            " WHERE partition_key = $name",
            {"name": name},
        ).fetchall()[0]


@pytest.mark.parametrize("job", ["refresh", "full_resync"])
def test_a_hotel_that_breaks_a_rule_keeps_its_figures_and_the_others_are_published(instance, landed, world, job):
    before = orders_of(ASTORIA)
    change_warehouse(STORE_TWICE)
    world.change(next(each for each in orders_at(world, "00000009") if each["State"] == "Confirmed"), State="Processed")
    result = refresh(instance, job)
    assert not result.success
    (line,) = failure_of(result, "conclude").splitlines()
    assert line.startswith(f"{ASTORIA} is not published, its figures as of 20")
    assert "ids_are_unique: 2 of 4 orders (for example " in line
    assert orders_of(ASTORIA) == (*before[:3], True)
    assert orders_of(BRISTOL)[:2] == (3, 2)
    failed = evaluation_of(instance, result, "ids_are_unique")
    assert (failed.passed, failed.severity, failed.metadata["violations"].value) == (False, AssetCheckSeverity.ERROR, 2)

    assert not refresh(instance).success, "the next refresh fails too, though nothing changed"
    change_warehouse(
        "DELETE FROM mews.product_service_orders WHERE id IN ("
        "SELECT id FROM mews.product_service_orders GROUP BY id HAVING count(*) > 1)"
    )
    assert refresh(instance, "full_resync").success
    assert orders_of(ASTORIA)[:2] == before[:2]
    assert orders_of(ASTORIA)[3] is False


def test_a_run_of_the_snapshot_alone_holds_hotels_back_too(instance, landed):
    before = orders_of(ASTORIA)
    change_warehouse(STORE_TWICE)
    run = functools.partial(
        materialize,
        [defs.get_assets_def("bi_snapshot")],
        instance=instance,
        resources={"pipeline": PIPELINE},
        raise_on_error=False,
    )
    result = run()
    assert failure_of(result, "bi_snapshot").startswith(f"{ASTORIA} is not published, its figures as of 20")
    assert orders_of(ASTORIA) == (*before[:3], True)
    change_warehouse("DELETE FROM mews.product_service_orders WHERE enterprise_id LIKE '00000001%'")
    assert run().success


def test_marts_that_lack_hotels_are_completed_before_they_are_published(instance, landed):
    with Warehouse("data/warehouse.duckdb").open() as connection:
        connection.execute("DROP SCHEMA marts.mart CASCADE; DROP SCHEMA marts.internal CASCADE")
    result = materialize(
        [defs.get_assets_def("bi_snapshot")], instance=instance, resources={"pipeline": PIPELINE}, raise_on_error=False
    )
    assert result.success
    assert orders_of(ASTORIA)[0] == orders_of(BRISTOL)[0] == 3


ODD_ORDERS: dict[str, dict[str, str | None]] = {
    "canceled before they were created": {"State": "Canceled", "CancelledUtc": "2001-01-01T00:00:00Z"},
    "canceled without a date": {"State": "Canceled", "CancelledUtc": None},
    "updated before they were created": {"CreatedUtc": "2025-03-01T00:00:00Z", "UpdatedUtc": "2025-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("oddity", ODD_ORDERS)
def test_an_odd_history_of_the_source_is_published_with_a_warning(instance, sandbox, world, oddity):
    service = world.add_service(world.add_enterprise(Name="Odd"))
    for _ in range(40):
        world.add_order(service, **ODD_ORDERS[oddity])
    result = refresh(instance)
    assert result.success
    warned = [each for each in evaluations(instance, result) if not each.passed and each.asset_key == ORDERS]
    assert warned
    assert {each.severity for each in warned} == {AssetCheckSeverity.WARN}
    (key,) = set(instance.get_dynamic_partitions("enterprise")) - {ASTORIA, BRISTOL}
    assert orders_of(key)[0] == 40


def test_metrics_that_do_not_add_up_are_computed_again_before_anyone_complains(instance, landed, monkeypatch):
    def derive_wrongly(connection, *arguments, **options):
        derived = derive(connection, *arguments, **options)
        connection.execute("UPDATE mart.agg_orders_daily SET orders_created = orders_created + 1")
        return derived

    change_warehouse("SELECT 1")
    monkeypatch.setattr(assets, "derive", derive_wrongly)
    assert refresh(instance).success
    assert orders_of(ASTORIA)[0] == 3
    change_warehouse("SELECT 1")
    monkeypatch.setattr(evaluate, "derive", derive_wrongly)
    before = orders_of(ASTORIA)
    result = refresh(instance)
    assert [line.partition(": ")[2].partition(": ")[0] for line in failure_of(result, "conclude").splitlines()] == [
        "metrics_add_up"
    ] * 2
    assert orders_of(ASTORIA) == (*before[:3], True)


def test_what_the_documentation_does_not_name_and_what_cannot_be_read_are_warnings(instance, landed, world):
    before = published_utc()
    world.change(an_order(world), State="Waitlisted", Mood="good")
    world.change(next(each for each in world.snapshot(world.clock.now()).orders if "Mood" not in each), CreatedUtc="?")
    result = refresh(instance)
    assert result.success
    undocumented = evaluation_of(instance, result, "values_and_fields_are_documented")
    unreadable = evaluation_of(instance, result, "records_are_readable")
    assert [each.passed for each in (undocumented, unreadable)] == [False, False]
    assert [each.severity for each in (undocumented, unreadable)] == [AssetCheckSeverity.WARN] * 2
    assert undocumented.description.endswith("1 of 3 (field Mood: 1, state Waitlisted: 1)")
    assert unreadable.metadata["rejected_records"].value == 1
    assert published_utc() != before


def test_a_hotel_that_fails_is_red_with_the_reason_and_green_again_later(instance, landed, world):
    world.revoke(world.access_token)
    result = refresh(instance)
    found = evaluation_of(instance, result, "hotels_are_fresh", partition=ASTORIA)
    assert not found.passed
    assert "token was refused" in found.description
    assert shown(instance, "hotels_are_fresh") == {ASTORIA: "FAILED", BRISTOL: "FAILED"}
    again = noteworthy(instance, evaluate_orders(PIPELINE))
    assert not [each for each in again if each.partition], "once is enough"
    world.grant(world.access_token)
    assert refresh(instance).success
    assert shown(instance, "hotels_are_fresh") == {ASTORIA: "SUCCEEDED", BRISTOL: "SUCCEEDED"}


def test_what_is_shown_of_a_hotel_already_is_not_evaluated_again(instance, landed, monkeypatch):
    def hotels():
        found = evaluate_all_landed(PIPELINE, ShownStates(instance))
        return [(each.check_name, each.passed) for each in found if each.partition is not None]

    assert hotels() == []
    monkeypatch.setenv("PSO_STALE_AFTER_HOURS", "0.000001")
    assert hotels() == [("hotels_are_fresh", False)] * 2


def test_a_stale_hotel_and_orders_missing_here_are_found(instance, landed, monkeypatch):
    monkeypatch.setenv("PSO_STALE_AFTER_HOURS", "0.0000001")
    (stale, _) = [each for each in evaluate_orders(PIPELINE) if each.check_name == "hotels_are_fresh"]
    assert (stale.partition, stale.passed) == (ASTORIA, False)
    assert str(stale.description).startswith("nothing after 20")

    change_warehouse("UPDATE mews.sync_state SET watermark_utc = watermark_utc + INTERVAL 1 HOUR")
    ids = ["00000001-0000-4000-8000-000000000001"]
    (good,) = evaluate_counts(PIPELINE, ids)
    assert (good.partition, good.passed, good.metadata["orders_at_source"].value) == (ASTORIA, True, 3)
    change_warehouse("UPDATE mews.product_service_orders SET updated_utc = updated_utc - INTERVAL 1 MINUTE")
    change_warehouse(
        "DELETE FROM mews.product_service_orders WHERE id IN (SELECT id FROM mews.product_service_orders"
        " WHERE enterprise_id LIKE '00000001%' LIMIT 1)"
    )
    (bad,) = evaluate_counts(PIPELINE, ids)
    assert (bad.passed, bad.metadata["missing_or_outdated"].value) == (False, 3)
    assert str(bad.description).startswith("3 of 3 orders that changed from ")


def run_of_assets(instance, **options):
    assets_run = [defs.get_assets_def(name) for name in ("product_service_orders", "check_in_cancellation_metrics")]
    return materialize(
        [*assets_run, *ASSET_CHECKS],
        instance=instance,
        resources={"pipeline": PIPELINE},
        raise_on_error=False,
        **options,
    )


def test_a_run_of_a_partition_reports_its_checks(instance, landed):
    result = run_of_assets(instance, partition_key=ASTORIA)
    assert result.success
    assert [each.partition for each in evaluations(instance, result) if each.check_name == "hotels_are_fresh"] == [
        ASTORIA
    ]
    assert shown(instance, "hotels_are_fresh") == {ASTORIA: "SUCCEEDED", BRISTOL: "SUCCEEDED"}
    change_warehouse(STORE_TWICE)
    result = run_of_assets(instance, partition_key=ASTORIA)
    assert result.success
    assert not evaluation_of(instance, result, "ids_are_unique").passed


def test_a_run_of_all_partitions_checks_each_of_them(instance, landed):
    tags = {"dagster/asset_partition_range_start": ASTORIA, "dagster/asset_partition_range_end": BRISTOL}
    result = run_of_assets(instance, tags=tags)
    assert result.success
    checked = [each.partition for each in evaluations(instance, result) if each.check_name == "hotels_are_fresh"]
    assert checked == [ASTORIA, BRISTOL]
    assert shown(instance, "counts_match_the_source") == {ASTORIA: "SUCCEEDED", BRISTOL: "SUCCEEDED"}


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_says_what_holds(name):
    first = str(CHECKS[name].description).partition(". ")[0]
    assert 20 < len(first) < 120
