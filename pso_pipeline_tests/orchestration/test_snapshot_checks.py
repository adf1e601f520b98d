"""The checks on the snapshot: what they find, when a refresh evaluates them, and when it counts as materialized."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import AssetCheckSeverity, AssetKey, AssetRecordsFilter, materialize

from pso_pipeline.bi.snapshot import publish
from pso_pipeline.orchestration.checks import ASSET_CHECKS, SNAPSHOT_SPECS
from pso_pipeline.orchestration.definitions import PIPELINE, defs
from pso_pipeline.orchestration.evaluations import evaluate_snapshot
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.orchestration.test_checks import ASTORIA, BRISTOL, change_warehouse, evaluations
from pso_pipeline_tests.orchestration.test_jobs import refresh

SNAPSHOT = AssetKey("bi_snapshot")
NAMES = {spec.name for spec in SNAPSHOT_SPECS}
ERROR, WARN = AssetCheckSeverity.ERROR, AssetCheckSeverity.WARN


@pytest.fixture
def landed(instance, sandbox):
    """A pipeline that has run once."""
    assert refresh(instance).success


def found():
    return {each.check_name: each for each in evaluate_snapshot(PIPELINE)}


def failing():
    return {name: (each.severity, each.description) for name, each in found().items() if not each.passed}


def change_marts(*statements):
    """Change the marts behind the pipeline's back and publish them without a check."""
    with Warehouse("data/warehouse.duckdb").open() as connection:
        for statement in (*statements, "UPDATE internal.table_versions SET version = version + 1"):
            connection.execute(statement)
    publish(Path("data/warehouse.marts.duckdb"), Path("data/bi"))


def materialized(instance):
    return len(instance.fetch_materializations(AssetRecordsFilter(asset_key=SNAPSHOT), limit=100).records)


def observed(instance):
    return len(instance.fetch_observations(AssetRecordsFilter(asset_key=SNAPSHOT), limit=100).records)


def test_a_good_snapshot_passes_every_check(instance, sandbox, every_outcome):
    result = refresh(instance)
    of_snapshot = [each for each in evaluations(instance, result) if each.asset_key == SNAPSHOT]
    assert {each.check_name: each.passed for each in of_snapshot} == dict.fromkeys(NAMES, True)
    assert {name: each.passed for name, each in found().items()} == dict.fromkeys(NAMES, True)
    result = refresh(instance)
    of_snapshot = [each for each in evaluations(instance, result) if each.asset_key == SNAPSHOT]
    assert {each.check_name for each in of_snapshot} == set(NAMES), "the asset is recorded again, and all its checks"


@pytest.mark.parametrize(
    ("hours", "severity"), [(1.4, None), (1.6, WARN), (2.9, WARN), (3.1, ERROR), (10_000, ERROR), (-48, ERROR)]
)
def test_the_age_of_the_data_is_that_of_the_oldest_hotel_in_scope(landed, hours, severity):
    oldest = datetime.now(UTC) - timedelta(hours=hours)
    change_marts(
        f"UPDATE mart.dim_enterprises SET as_of_utc = '{oldest:%Y-%m-%d %H:%M:%S}' WHERE partition_key = '{BRISTOL}'",
        "INSERT INTO mart.dim_enterprises BY NAME"
        " SELECT 'gone' AS enterprise_id, FALSE AS is_in_scope, TIMESTAMP '2001-01-01' AS as_of_utc",
    )
    (recent, *_) = evaluate_snapshot(PIPELINE)
    assert (recent.passed, None if recent.passed else recent.severity) == (severity is None, severity)
    assert BRISTOL in str(recent.description)
    assert recent.metadata["age_hours"].value == pytest.approx(max(hours, 0), abs=0.1)


def test_the_limit_of_the_age_is_the_setting(landed, monkeypatch):
    monkeypatch.setenv("PSO_STALE_AFTER_HOURS", "0.000001")
    assert failing()["data_are_recent"][0] is ERROR


def test_nothing_published_is_no_fresh_data(sandbox):
    assert failing() == {
        "data_are_recent": (ERROR, "no snapshot has been published in data/bi yet: run a refresh first")
    }


def test_hotels_without_figures_are_named(landed):
    change_marts(f"UPDATE mart.dim_enterprises SET as_of_utc = NULL WHERE partition_key = '{BRISTOL}'")
    severity, description = failing()["hotels_are_published"]
    assert (severity, str(description).partition(": ")[2]) == (WARN, "it was never read to its end")
    change_marts("UPDATE mart.dim_enterprises SET as_of_utc = NULL")
    assert failing()["data_are_recent"] == (ERROR, "no hotel in scope has any figures yet")


def test_hotels_that_are_held_back_are_named(instance, landed):
    change_warehouse(
        "INSERT INTO mews.product_service_orders"
        " FROM mews.product_service_orders WHERE enterprise_id LIKE '00000001%' LIMIT 1"
    )
    assert not refresh(instance).success
    severity, description = failing()["hotels_are_published"]
    assert severity is ERROR
    assert f"such as {ASTORIA}: ids_are_unique: 2 of 4 orders" in str(description)
    assert set(failing()) == {"hotels_are_published"}


def test_totals_that_are_not_those_of_the_warehouse_are_named(landed):
    change_marts(
        "UPDATE mart.agg_orders_daily SET orders_created = 2 * orders_created WHERE enterprise_id LIKE '00000001%'"
    )
    severity, description = failing()["totals_match_the_warehouse"]
    assert severity is ERROR
    assert f"{ASTORIA} has 6 orders, and 3 in the warehouse" in str(description)
    assert "fct_product_service_orders has 6 rows, and the hotels have 9 orders" in str(description)


def test_an_empty_snapshot_of_a_full_warehouse_is_named(landed):
    change_marts("DELETE FROM mart.fct_product_service_orders; DELETE FROM mart.agg_orders_daily")
    assert f"{ASTORIA} has 0 orders, and 3 in the warehouse" in str(failing()["totals_match_the_warehouse"][1])


def test_marts_that_have_moved_on_since_are_not_held_against_the_snapshot(landed):
    with Warehouse("data/warehouse.duckdb").open() as connection:
        connection.execute("UPDATE mart.dim_enterprises SET as_of_utc = as_of_utc + INTERVAL 1 MINUTE")
        connection.execute("UPDATE internal.check_counts SET checked = 99")
    assert failing() == {}


@pytest.mark.parametrize("is_gone_at_the_source", [False, True])
def test_a_hotel_that_has_lost_its_orders_without_a_reason_is_named(instance, sandbox, world, is_gone_at_the_source):
    service = world.add_service(world.add_enterprise(Name="Large"))
    of_service = f"WHERE service_id = '{service['Id']}'"
    for _ in range(60):
        world.add_order(service, CreatedUtc="2025-06-01T00:00:00Z", UpdatedUtc="2025-06-01T00:00:00Z")
    refresh(instance)
    (key,) = set(instance.get_dynamic_partitions("enterprise")) - {ASTORIA, BRISTOL}
    which = f"{of_service} AND id IN (SELECT id FROM mews.product_service_orders {of_service} LIMIT 30)"
    change_warehouse(
        f"UPDATE mews.product_service_orders SET is_missing_from_source = TRUE {which}"
        if is_gone_at_the_source
        else f"DELETE FROM mews.product_service_orders {which}"
    )
    refresh(instance)
    expected = {} if is_gone_at_the_source else {"orders_do_not_collapse": (ERROR, f"{key} has 30 orders and had 60")}
    assert failing() == expected


def test_a_rate_that_cannot_be_is_named(landed):
    change_marts("UPDATE mart.agg_orders_daily SET checked_in_orders = 7 WHERE enterprise_id LIKE '00000009%'")
    severity, description = failing()["rates_are_between_0_and_1"]
    assert severity is ERROR
    assert f"check_in_rate of {BRISTOL} is " in str(description)


def test_it_is_materialized_only_when_the_data_have_advanced(instance, landed, sandbox, world, every_outcome):
    """With the API gone, nothing may look fresh."""
    assert (materialized(instance), observed(instance)) == (1, 0)
    world.revoke(world.access_token)
    assert not refresh(instance).success
    assert (materialized(instance), observed(instance)) == (1, 1)
    world.grant(world.access_token)
    assert refresh(instance).success
    assert (materialized(instance), observed(instance)) == (2, 1)


def test_a_run_of_the_snapshot_has_its_checks_beside_it(instance, landed):
    result = materialize(
        [defs.get_assets_def("bi_snapshot"), *ASSET_CHECKS],
        instance=instance,
        resources={"pipeline": PIPELINE},
        selection=["bi_snapshot"],
        raise_on_error=False,
    )
    assert result.success
    of_snapshot = [each for each in evaluations(instance, result) if each.asset_key == SNAPSHOT]
    assert {each.check_name: each.passed for each in of_snapshot} == dict.fromkeys(NAMES, True)
