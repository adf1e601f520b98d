"""What the partitions page shows: which are materialized, which failed and why, and when that is cleared."""

from datetime import timedelta

from dagster import AssetKey, AssetPartitionStatus, AssetRecordsFilter
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from pso_pipeline.definitions import defs
from pso_pipeline.orchestration.partitions import ENTERPRISE_PARTITIONS
from pso_pipeline.sandbox import times
from pso_pipeline_tests.fakes.faults import Answer
from pso_pipeline_tests.orchestration.test_jobs import METRICS, ORDERS, materializations, refresh

ASTORIA, BRISTOL = "astoria-00000001", "bristol-00000009"
MATERIALIZED, FAILED = AssetPartitionStatus.MATERIALIZED, AssetPartitionStatus.FAILED


def states(instance, asset=ORDERS):
    keys = instance.get_dynamic_partitions(ENTERPRISE_PARTITIONS.name)
    return instance.get_status_by_partition(asset, keys, ENTERPRISE_PARTITIONS)


def reasons(instance):
    """Partition and description of what was noted of the orders, oldest first."""
    found = instance.fetch_observations(AssetRecordsFilter(asset_key=ORDERS), limit=100).records
    return [(each.asset_observation.partition, each.asset_observation.description) for each in reversed(found)]


def fail_astoria(sandbox):
    sandbox.faults.add(
        Answer(403),
        operation="productServiceOrders/getAll",
        times=None,
        when=lambda body: any(service.startswith("00000002") for service in body["ServiceIds"]),
    )


def test_exactly_the_hotel_that_fails_is_shown_as_failed_with_the_reason(instance, sandbox):
    assert refresh(instance).success
    fail_astoria(sandbox)
    assert not refresh(instance).success
    assert states(instance) == {ASTORIA: FAILED, BRISTOL: MATERIALIZED}
    ((key, reason),) = reasons(instance)
    assert key == ASTORIA
    assert reason.startswith("productServiceOrders/getAll: refused")


def test_a_hotel_that_fails_again_stays_failed_and_the_other_goes_on(instance, sandbox, world):
    refresh(instance)
    fail_astoria(sandbox)
    refresh(instance)
    bristol = [
        each for each in world.snapshot(world.clock.now()).orders if not each["ServiceId"].startswith("00000002")
    ]
    world.change(bristol[0], State="Processed")
    refresh(instance)
    assert states(instance) == {ASTORIA: FAILED, BRISTOL: MATERIALIZED}
    assert materializations(instance, ORDERS)[-1][0] == BRISTOL


def test_a_hotel_that_recovers_is_shown_as_materialized_though_nothing_changed(instance, sandbox):
    refresh(instance)
    fail_astoria(sandbox)
    refresh(instance)
    sandbox.faults.clear()
    assert refresh(instance).success
    assert states(instance) == {ASTORIA: MATERIALIZED, BRISTOL: MATERIALIZED}
    key, figures = materializations(instance, ORDERS)[-1]
    assert (key, figures["new_orders"], figures["changed_orders"]) == (ASTORIA, 0, 0)


def test_a_quiet_refresh_writes_no_event_for_a_partition(instance, sandbox):
    first, quiet = refresh(instance), refresh(instance)
    assert len(partition_events(instance, first)) == 4
    assert partition_events(instance, quiet) == []


def partition_events(instance, result):
    events = (entry.dagster_event for entry in instance.all_logs(result.run_id))
    return [event for event in events if event and event.asset_key in (ORDERS, METRICS)]


def test_a_look_back_reads_what_the_overlap_leaves_out(instance, sandbox, world):
    refresh(instance)
    service = world.snapshot(world.clock.now()).services[0]
    late = world.clock.now() - int(timedelta(days=2).total_seconds())
    world.add_order(service, CreatedUtc=times.text(late))
    refresh(instance)
    assert len(materializations(instance, ORDERS)) == 2
    config = {"ops": {"sync_orders": {"config": {"look_back_days": 3}}}}
    assert defs.get_job_def("refresh").execute_in_process(instance=instance, run_config=config).success
    assert materializations(instance, ORDERS)[-1][1]["new_orders"] == 1


def test_nothing_is_unsynced_because_hotels_were_listed_again(instance, sandbox, world):
    refresh(instance)
    world.change(world.snapshot(world.clock.now()).orders[0], State="Processed")
    refresh(instance)
    assert refresh(instance).success
    stale = CachingStaleStatusResolver(instance, defs.resolve_asset_graph(), LoadingContextForTest(instance))
    for asset in (ORDERS, METRICS):
        assert {stale.get_status(asset, key) for key in (ASTORIA, BRISTOL)} == {StaleStatus.FRESH}
    for name in ("enterprises", "services", "bi_snapshot"):
        assert stale.get_status(AssetKey(name)) == StaleStatus.FRESH
