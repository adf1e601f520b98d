"""Old runs are removed from Dagster's storage, and everything that the web UI shows as the latest state stays."""

import os
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import AssetKey, AssetRecordsFilter, DagsterRunStatus, instance_for_test

from pso_pipeline.orchestration.checks import CHECK_KEYS
from pso_pipeline.orchestration.definitions import defs
from pso_pipeline.orchestration.partitions import ENTERPRISE_PARTITIONS
from pso_pipeline.orchestration.retention import prune
from pso_pipeline_tests.orchestration.test_jobs import refresh

KEPT = timedelta(days=14)


@pytest.fixture(params=["sqlite", "postgres"])
def stored(request):
    """An instance on disk, with its storage in SQLite files or in PostgreSQL."""
    storage = {}
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        address = f"postgresql+psycopg2://pso@127.0.0.1:{server.port}/{server.new_database()}"
        storage = {"storage": {"postgres": {"postgres_url": address}}}
    with instance_for_test(overrides={"telemetry": {"enabled": False}, **storage}) as instance:
        yield instance


def latest_state(instance):
    """What the web UI shows of each asset, partition and check."""
    keys = instance.get_dynamic_partitions("enterprise")
    shown: dict[object, object] = {}
    for asset in instance.get_asset_keys():
        for partition in (None, *keys):
            found = AssetRecordsFilter(asset, asset_partitions=[partition] if partition else None)
            for fetch in (instance.fetch_materializations, instance.fetch_observations):
                shown[asset, partition, fetch.__name__] = [
                    (record.storage_id, record.asset_materialization or record.asset_observation)
                    for record in fetch(found, limit=1).records
                ]
        if asset.to_user_string() in {"product_service_orders", "check_in_cancellation_metrics"}:
            shown[asset, "states"] = dict(instance.get_status_by_partition(asset, keys, ENTERPRISE_PARTITIONS) or {})
    for check in CHECK_KEYS:
        record = instance.get_latest_asset_check_evaluation_record(check)
        shown[check] = record and (record.status, record.run_id, record.event and record.event.timestamp)
    return shown


def event_files(instance):
    return {path.name[:36] for path in (Path(instance.root_directory) / "history" / "runs").glob("*-*-*.db*")}


def test_old_runs_go_and_the_latest_state_stays(stored, sandbox, world):
    services = {each["EnterpriseId"][:8]: each["Id"] for each in world.snapshot(world.clock.now()).services}
    orders = world.snapshot(world.clock.now()).orders
    first = refresh(stored).run_id
    for state in ("Processed", "Canceled"):
        world.change(next(each for each in orders if each["ServiceId"] == services["00000001"]), State=state)
        assert refresh(stored).success
    world.refuse_service(services["00000009"])
    failed = refresh(stored)
    assert not failed.success
    before, runs = latest_state(stored), stored.get_runs()
    assert AssetKey("bi_snapshot") in stored.get_asset_keys()
    assert any(state.name == "FAILED" for state in before[AssetKey("product_service_orders"), "states"].values())

    assert prune(stored, KEPT).removed == 0, "no run is old yet"
    now = datetime.now(UTC) + KEPT + timedelta(minutes=1)
    outcome = prune(stored, KEPT, now)

    assert latest_state(stored) == before
    left = {run.run_id for run in stored.get_runs()}
    assert len(left) == len(runs) - outcome.removed
    assert outcome.removed == 1, "the second refresh alone has nothing that is shown"
    assert {first, failed.run_id} <= left
    assert event_files(stored) <= {failed.run_id}, "the latest run keeps its events"
    assert {path.name for path in Path(stored.storage_directory()).glob("*-*-*")} <= {failed.run_id}

    again = prune(stored, KEPT, now)
    assert (again.removed, again.emptied, again.freed_bytes) == (0, 0, 0)
    assert refresh(stored).run_id in {run.run_id for run in stored.get_runs()}


def test_a_run_under_way_is_not_touched_whatever_its_age(stored):
    under_way = [
        stored.create_run_for_job(defs.resolve_job_def("refresh"), status=status).run_id
        for status in (DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.CANCELING)
    ]
    ended = [
        stored.create_run_for_job(defs.resolve_job_def("refresh"), status=DagsterRunStatus.SUCCESS).run_id
        for _ in range(2)
    ]
    stored.create_run_for_job(defs.resolve_job_def("refresh"), status=DagsterRunStatus.STARTED)
    assert prune(stored, KEPT, datetime.now(UTC) + 2 * KEPT).removed == len(ended)
    assert set(under_way) < {run.run_id for run in stored.get_runs()}


def test_files_that_a_killed_removal_left_go_later(stored):
    run_id = str(uuid.uuid4())
    left = Path(stored.root_directory) / "history" / "runs" / f"{run_id}.db"
    log = Path(stored.storage_directory()) / "__repository__" / "hotel_alerts" / "1" / "x.err"
    stored.get_runs()
    for path in (left, log):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    prune(stored, KEPT)
    assert left.exists()
    assert log.exists()
    month_ago = time.time() - 30 * 86_400
    for path in (left, log):
        os.utime(path, (month_ago, month_ago))
    prune(stored, KEPT)
    assert not left.exists()
    assert not log.exists()
