"""The checks in runs: what they report, which hotels they hold back, and what a quiet refresh evaluates."""

import functools
import json
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from dagster import AssetCheckSeverity, AssetKey, DagsterEventType, materialize

from pso_pipeline.orchestration import steps
from pso_pipeline.orchestration.checks import ASSET_CHECKS
from pso_pipeline.orchestration.definitions import PIPELINE, defs
from pso_pipeline.orchestration.evaluations import evaluate_counts, evaluate_records
from pso_pipeline.orchestration.metadata import SHOWN_HOTELS
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


def evaluation_of(instance, result, name, asset=ORDERS):
    (found,) = [each for each in evaluations(instance, result) if (each.check_name, each.asset_key) == (name, asset)]
    return found


def hotels_of(evaluation, table="hotels"):
    """The rows of the table that an evaluation shows, by hotel."""
    return {row.data["hotel"]: row.data for row in evaluation.metadata[table].records}


def published_utc():
    return json.loads(Path("data/bi/manifest.json").read_text(encoding="utf-8"))["published_utc"]


def test_a_first_refresh_evaluates_every_check_and_a_quiet_one_only_the_cheap_ones(instance, sandbox, every_outcome):
    result = refresh(instance)
    found = evaluations(instance, result)
    assert all(each.passed for each in found)
    assert all(each.partition is None for each in found), "one evaluation is for all hotels"
    assert {each.check_name for each in found} == set(CHECKS)
    assert all(each.metadata for each in found if each.check_name != "api_answers")
    assert evaluation_of(instance, result, "ids_are_unique").metadata["orders_checked"].value == 6
    assert evaluation_of(instance, result, "hotels_are_fresh").metadata["fresh"].value == 2
    compared = hotels_of(evaluation_of(instance, result, "counts_match_the_source"), "compared_hotels")
    assert set(compared) == {ASTORIA, BRISTOL}
    sandbox.requests.clear()
    result = refresh(instance)
    assert Counter(each.asset_key.to_user_string() for each in evaluations(instance, result)) == {
        "enterprises": 3,
        "services": 2,
        "product_service_orders": 2,
        "order_items": 1,
        "products": 1,
        "check_in_cancellation_metrics": 1,
        "bi_snapshot": 5,
    }, "the snapshot is recorded again, and with it all of its checks"
    read = [each.body["Limitation"]["Cursor"] is None for each in sandbox.requests.of("productServiceOrders/getAll")]
    assert read == [True, False], "a page and the empty one at its end; no hotel is compared again within the hour"


def test_only_the_hotel_that_changed_is_counted_again(instance, landed, world, every_outcome):
    world.change(an_order(world), State="Processed")
    result = refresh(instance)
    assert evaluation_of(instance, result, "ids_are_unique").metadata["hotels_counted_now"].value == 1


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
    monkeypatch.setattr(steps, "derive", derive_wrongly)
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


def test_failing_hotels_are_listed_with_the_reason_until_they_recover(instance, landed, world):
    world.revoke(world.access_token)
    result = refresh(instance)
    found = evaluation_of(instance, result, "hotels_are_fresh")
    assert (found.passed, found.severity, found.metadata["failing"].value) == (False, AssetCheckSeverity.ERROR, 2)
    listed = hotels_of(found)
    assert list(listed) == [ASTORIA, BRISTOL]
    assert {row["state"] for row in listed.values()} == {"failing"}
    assert "token was refused" in listed[ASTORIA]["reason"]
    assert str(found.description).startswith(f"{ASTORIA} is failing: ")
    world.grant(world.access_token)
    result = refresh(instance)
    assert result.success
    assert evaluation_of(instance, result, "hotels_are_fresh").passed


def test_a_table_of_hotels_is_bounded(instance, sandbox, world, monkeypatch):
    for number in range(SHOWN_HOTELS):
        world.add_service(world.add_enterprise(Name=f"Hotel {number}"))
    monkeypatch.setenv("PSO_STALE_AFTER_HOURS", "0.0000001")
    result = refresh(instance)
    found = evaluation_of(instance, result, "hotels_are_fresh")
    assert found.metadata["stale"].value == SHOWN_HOTELS + 2
    assert len(hotels_of(found)) == SHOWN_HOTELS


def test_stale_hotels_and_orders_missing_here_are_found(instance, landed, monkeypatch):
    monkeypatch.setenv("PSO_STALE_AFTER_HOURS", "0.0000001")
    (stale,) = [each for each in evaluate_records(PIPELINE) if each.check_name == "hotels_are_fresh"]
    assert not stale.passed
    assert {key: row["state"] for key, row in hotels_of(stale).items()} == {ASTORIA: "stale", BRISTOL: "stale"}

    change_warehouse("UPDATE mews.sync_state SET watermark_utc = watermark_utc + INTERVAL 1 HOUR")
    ids = ["00000001-0000-4000-8000-000000000001"]
    (good,) = evaluate_counts(PIPELINE, ids)
    assert (good.passed, good.metadata["orders_at_source"].value) == (True, 3)
    change_warehouse("UPDATE mews.product_service_orders SET updated_utc = updated_utc - INTERVAL 1 MINUTE")
    change_warehouse(
        "DELETE FROM mews.product_service_orders WHERE id IN (SELECT id FROM mews.product_service_orders"
        " WHERE enterprise_id LIKE '00000001%' LIMIT 1)"
    )
    (bad,) = evaluate_counts(PIPELINE, ids)
    assert (bad.passed, bad.metadata["missing_or_outdated"].value) == (False, 3)
    assert hotels_of(bad, "compared_hotels")[ASTORIA]["missing_or_outdated"] == 3
    assert str(bad.description).startswith("3 of 3 orders of 1 hotels are missing here or outdated: ")


def run_of_assets(instance, **options):
    assets_run = [defs.get_assets_def(name) for name in ("product_service_orders", "check_in_cancellation_metrics")]
    return materialize(
        [*assets_run, *ASSET_CHECKS],
        instance=instance,
        resources={"pipeline": PIPELINE},
        raise_on_error=False,
        **options,
    )


@pytest.mark.parametrize("partition", [ASTORIA, None])
def test_a_run_of_partitions_evaluates_the_checks(instance, landed, partition):
    tags = {"dagster/asset_partition_range_start": ASTORIA, "dagster/asset_partition_range_end": BRISTOL}
    which = {"partition_key": partition} if partition else {"tags": tags}
    result = run_of_assets(instance, **which)
    assert result.success
    assert evaluation_of(instance, result, "hotels_are_fresh").metadata["fresh"].value == 2
    assert evaluation_of(instance, result, "ids_are_unique").metadata["hotels_counted_now"].value == 2
    change_warehouse(STORE_TWICE)
    result = run_of_assets(instance, **which)
    assert result.success, "a check of landed orders does not block a run; the publication leaves the hotel out"
    found = evaluation_of(instance, result, "ids_are_unique")
    assert not found.passed
    assert list(hotels_of(found, "worst_hotels")) == [ASTORIA]


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_says_what_holds(name):
    first = str(CHECKS[name].description).partition(". ")[0]
    assert 20 < len(first) < 120
