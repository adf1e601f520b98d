"""The jobs and assets on a real instance: what is materialized, with which figures, and what a failure looks like."""

from pathlib import Path

import duckdb
from dagster import AssetKey, AssetRecordsFilter, DagsterEventType, DagsterInstance, materialize

from pso_pipeline.bi.folder import current_snapshot
from pso_pipeline.orchestration.definitions import PIPELINE, defs
from pso_pipeline_tests.fakes.faults import Answer
from pso_pipeline_tests.truth import expected_rows

ORDERS = AssetKey("product_service_orders")
METRICS = AssetKey("check_in_cancellation_metrics")


def refresh(instance: DagsterInstance, job="refresh"):
    return defs.get_job_def(job).execute_in_process(instance=instance, raise_on_error=False)


def materializations(instance, key):
    """Partition and metadata of each materialization, oldest first."""
    records = instance.fetch_materializations(AssetRecordsFilter(asset_key=key), limit=100).records
    found = [record.asset_materialization for record in reversed(records)]
    return [(each.partition, {name: value.value for name, value in each.metadata.items()}) for each in found]


def failure_of(result, step):
    (event,) = [event for event in result.all_events if event.is_step_failure and event.step_key == step]
    return event.step_failure_data.user_failure_data.description


def test_a_refresh_materializes_everything_and_publishes(instance, sandbox):
    assert refresh(instance).success
    keys = ["astoria-00000001", "bristol-00000009"]
    assert sorted(instance.get_dynamic_partitions("enterprise")) == keys
    for asset in (ORDERS, METRICS):
        assert sorted(partition for partition, _ in materializations(instance, asset)) == keys
    for name in ("enterprises", "services", "bi_snapshot"):
        assert len(materializations(instance, AssetKey(name))) == 1
    figures = dict(materializations(instance, ORDERS))["astoria-00000001"]
    assert (figures["new_orders"], figures["dagster/partition_row_count"], figures["hotel"]) == (3, 3, "Astoria")
    with duckdb.connect("data/bi/pso_bi.duckdb", read_only=True) as snapshot:
        totals = snapshot.execute("SELECT sum(orders_created), sum(checked_in_orders) FROM mart.agg_orders_daily")
        assert totals.fetchall() == [(6, 2)]


def test_the_snapshot_names_the_report_that_was_written_with_it(instance, sandbox, world):
    for state in ("Processed", "Canceled"):
        world.change(world.snapshot(world.clock.now()).orders[0], State=state)
        refresh(instance)
        path = Path(materializations(instance, AssetKey("bi_snapshot"))[-1][1]["report"])
        assert path == Path("data/bi/report.html").absolute()
        assert current_snapshot(Path("data/bi")).directory.name in path.read_text(encoding="utf-8")


def test_a_quiet_refresh_materializes_no_partition(instance, sandbox):
    refresh(instance)
    assert refresh(instance).success
    assert len(materializations(instance, ORDERS)) == 2
    assert len(materializations(instance, METRICS)) == 2


def test_a_quiet_refresh_records_no_outcome_that_is_known_and_a_changed_hotel_one_for_each_asset(
    instance, sandbox, world
):
    """Each of these events stays in Dagster's storage for weeks."""
    kinds = {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_OBSERVATION}
    kinds.add(DagsterEventType.ASSET_CHECK_EVALUATION)
    refresh(instance)
    assert [event for event in refresh(instance).all_events if event.event_type in kinds] == []
    world.change(world.snapshot(world.clock.now()).orders[0], State="Processed")
    found = [event for event in refresh(instance).all_events if event.event_type in kinds]
    made = [event.asset_key for event in found if event.event_type is DagsterEventType.ASSET_MATERIALIZATION]
    assert [key.to_user_string() for key in made] == [
        "product_service_orders",
        "check_in_cancellation_metrics",
        "bi_snapshot",
    ]
    checked = [
        event.asset_check_evaluation_data.asset_check_key
        for event in found
        if event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    assert {key.asset_key for key in checked} == set(made)
    for key, record in instance.event_log_storage.get_latest_asset_check_execution_by_key(checked).items():
        latest = instance.get_latest_materialization_event(key.asset_key)
        assert record.event.timestamp > latest.timestamp, "the web UI would show it as not evaluated"


def test_a_listing_that_recovers_is_recorded_at_once(instance, sandbox, world):
    refresh(instance)
    world.revoke(world.access_token)
    assert not refresh(instance).success
    world.grant(world.access_token)
    assert refresh(instance).success
    assert len(materializations(instance, AssetKey("enterprises"))) == 2


def test_exactly_the_partitions_that_changed_are_materialized(instance, sandbox, world):
    refresh(instance)
    changed = world.snapshot(world.clock.now()).orders[0]
    world.change(changed, State="Processed")
    refresh(instance)
    latest = materializations(instance, ORDERS)[2:]
    assert [figures["changed_orders"] for _, figures in latest] == [1]
    assert [partition for partition, _ in materializations(instance, METRICS)[2:]] == [latest[0][0]]


def test_a_hotel_that_fails_is_named_and_the_other_is_published(instance, sandbox, world):
    services = {each["EnterpriseId"]: each["Id"] for each in world.snapshot(world.clock.now()).services}
    refused = services["00000001-0000-4000-8000-000000000001"]
    world.refuse_service(refused)
    result = refresh(instance)
    assert not result.success
    assert failure_of(result, "conclude").startswith("astoria-00000001: productServiceOrders/getAll")
    assert [partition for partition, _ in materializations(instance, ORDERS)] == ["bristol-00000009"]
    assert len(materializations(instance, AssetKey("bi_snapshot"))) == 1


def test_a_full_resync_reads_all_history(instance, sandbox, world):
    refresh(instance)
    sandbox.requests.clear()
    result = refresh(instance, "full_resync")
    assert result.success
    assert any("UpdatedUtc" not in request.body for request in sandbox.requests.of("productServiceOrders/getAll"))


def test_a_partition_can_be_materialized_by_itself(instance, sandbox, world):
    refresh(instance)
    order = next(each for each in world.snapshot(world.clock.now()).orders if each["State"] == "Confirmed")
    world.change(order, State="Canceled")
    assets = [defs.get_assets_def("product_service_orders"), defs.get_assets_def("check_in_cancellation_metrics")]
    enterprise_of = {each["Id"]: each["EnterpriseId"] for each in world.snapshot(world.clock.now()).services}
    key = {"00000001": "astoria-00000001", "00000009": "bristol-00000009"}[enterprise_of[order["ServiceId"]][:8]]
    result = materialize(assets, instance=instance, partition_key=key, resources={"pipeline": PIPELINE})
    assert result.success
    assert materializations(instance, ORDERS)[-1][0] == key
    assert materializations(instance, METRICS)[-1][1]["canceled_orders"] == 2


def test_a_backfill_of_a_range_is_one_run_with_figures_for_each_partition(instance, sandbox):
    refresh(instance)
    assets = [defs.get_assets_def("product_service_orders"), defs.get_assets_def("check_in_cancellation_metrics")]
    first, *_, last = instance.get_dynamic_partitions("enterprise")
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    result = materialize(assets, instance=instance, tags=tags, resources={"pipeline": PIPELINE})
    assert result.success
    for asset in (ORDERS, METRICS):
        shown = materializations(instance, asset)[2:]
        assert sorted(partition for partition, _ in shown) == ["astoria-00000001", "bristol-00000009"]
        assert all(figures for _, figures in shown)


def test_of_a_range_those_that_landed_are_materialized_and_the_run_names_the_others(instance, sandbox, world):
    refresh(instance)
    sandbox.faults.add(
        Answer(403),
        operation="productServiceOrders/getAll",
        times=None,
        when=lambda body: any(service.startswith("00000002") for service in body["ServiceIds"]),
    )
    first, *_, last = instance.get_dynamic_partitions("enterprise")
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    assets = [defs.get_assets_def("product_service_orders")]
    result = materialize(assets, instance=instance, tags=tags, resources={"pipeline": PIPELINE}, raise_on_error=False)
    assert not result.success
    assert failure_of(result, "product_service_orders").startswith("astoria-00000001: ")
    assert [partition for partition, _ in materializations(instance, ORDERS)[2:]] == ["bristol-00000009"]


def test_a_missing_setting_is_one_line(instance, sandbox, monkeypatch):
    monkeypatch.delenv("MEWS_CLIENT_TOKEN")
    result = refresh(instance)
    assert failure_of(result, "discover").startswith("MEWS_CLIENT_TOKEN is not set: ")


def test_the_marts_hold_what_the_source_holds(instance, sandbox, world):
    refresh(instance)
    truth = world.snapshot(world.clock.now())
    with duckdb.connect("data/bi/pso_bi.duckdb", read_only=True) as snapshot:
        rows = snapshot.execute("SELECT order_id, state FROM mart.fct_product_service_orders").fetchall()
    assert dict(rows) == {key: row["state"] for key, row in expected_rows(truth.orders, truth.services).items()}
