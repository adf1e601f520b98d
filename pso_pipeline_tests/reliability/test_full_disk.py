"""Tests of a full disk of the warehouse or the snapshot: one line names the path, and nothing is lost.

The disk is a small file system in memory. If mounting one is not allowed, `warehouse/test_session.py` and
`bi/test_failures.py` test the same with a limit on the size of a file.
"""

import contextlib
import os
import subprocess
from pathlib import Path

import duckdb
import pytest
from dagster import DagsterInstance

from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.orchestration.test_jobs import refresh

ORDERS = 400


@pytest.fixture
def disk(tmp_path):
    """Mount a small file system in memory."""
    folder = tmp_path / "a small disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@contextlib.contextmanager
def filled(disk, but):
    """Fill the disk within the block, except for this number of bytes."""
    room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(room - but, 0)))
    try:
        yield
    finally:
        ballast.unlink()


@pytest.fixture
def world():
    world = ScriptedWorld()
    service = world.add_service(world.add_enterprise(Name="Astoria"))
    for _ in range(ORDERS):
        world.add_order(service, Number=os.urandom(200).hex())
    return world


def reasons(result):
    return [
        event.step_failure_data.user_failure_data.description
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    ]


def published(bi_dir):
    with duckdb.connect(str(bi_dir / "pso_bi.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT count(*), count(*) FILTER (WHERE is_checked_in) FROM mart.rpt_orders")
        return rows.fetchone()


@pytest.mark.parametrize("room", [0, 1_000_000])
@pytest.mark.parametrize("under", ["PSO_WAREHOUSE", "PSO_BI_DIR"])
@pytest.mark.usefixtures("sandbox")
def test_a_full_disk_names_the_path_and_loses_nothing(disk, world, monkeypatch, under, room):
    path = disk / ("w.duckdb" if under == "PSO_WAREHOUSE" else "bi")
    monkeypatch.setenv(under, str(path))
    bi_dir = path if under == "PSO_BI_DIR" else Path("data/bi")
    with DagsterInstance.ephemeral() as instance:
        assert refresh(instance).success
        for each in world.snapshot(world.clock.now()).orders[: ORDERS // 2]:
            world.change(each, State="Processed", Number=os.urandom(8_000).hex())
        with filled(disk, but=room):
            result = refresh(instance)
            assert not result.success
            assert published(bi_dir) == (ORDERS, 0), "the old snapshot stays"
        (reason, *_) = reasons(result)
        assert str(path.parent if under == "PSO_WAREHOUSE" else path) in reason
        assert len(reason.splitlines()) == 1
        assert refresh(instance).success
        assert published(bi_dir) == (ORDERS, ORDERS // 2)
