"""A DuckLake instead of one file: the same pipeline on the same statements, with either catalogue."""

import getpass
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pso_pipeline.warehouse.marts.derive import create_marts, derive
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.truth import expected_rows, landed_rows
from pso_pipeline_tests.warehouse.files import needs_ducklake


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """An empty PostgreSQL of its own, reached through a socket; its data go with the test."""
    found = shutil.which("initdb") or next(
        iter(sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")))), None
    )
    assert found, "these tests start a real PostgreSQL: apt-get install postgresql"
    folder = tmp_path_factory.mktemp("postgres")
    # PostgreSQL refuses to be run by root
    as_user = ["runuser", "-u", "postgres", "--"] if getpass.getuser() == "root" else []
    if as_user:
        shutil.chown(folder, "postgres")
        for parent in folder.parents[:3]:
            if parent.owner() == "root" and parent != Path("/tmp"):
                parent.chmod(0o755)

    def run(name, *arguments):
        command = [*as_user, str(Path(found).with_name(name)), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, env={**os.environ, "LC_ALL": "C"})

    run("initdb", "-D", str(folder / "data"), "-U", "pso", "-A", "trust")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    run("pg_ctl", "-D", str(folder / "data"), "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"dbname=postgres user=pso host={folder}"
    finally:
        run("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop")


@pytest.fixture(params=["file", "postgres"])
def warehouse(request, tmp_path):
    """The warehouse of the pipeline under test."""
    if request.param == "file":
        location = f"ducklake:{tmp_path / 'lake.ducklake'}"
    else:
        location = f"ducklake:postgres:{request.getfixturevalue('postgres')}"

    return Warehouse(location)


@needs_ducklake
def test_orders_land_change_and_are_measured(warehouse, pipeline, world):
    services = [world.add_service(world.add_enterprise()) for _ in range(2)]
    orders = [world.add_order(services[number % 2], State="Confirmed") for number in range(30)]
    assert pipeline.refresh().failed == ()
    world.change(orders[0], State="Canceled", CancelledUtc=orders[0]["CreatedUtc"])
    world.add_order(services[0], State="Started", NewField=[1])
    report = pipeline.refresh()
    assert (sum(each.created for each in report.enterprises), sum(each.changed for each in report.enterprises)) == (
        1,
        1,
    )
    now = world.snapshot(world.clock.now())
    with warehouse.open() as connection:
        assert landed_rows(connection) == expected_rows(now.orders, now.services)
        versions = connection.execute("SELECT count(*) FROM mews.product_service_order_versions").fetchone()
        create_marts(connection)
        derive(connection)
        totals = connection.execute("SELECT sum(orders_created), sum(canceled_orders) FROM mart.agg_orders_daily")
        assert totals.fetchall() == [(31, 1)]
    assert versions == (32,)
