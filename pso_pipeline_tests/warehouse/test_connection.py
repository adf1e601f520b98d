"""Who may open the warehouse, and what a person is told where that cannot be: the path, the holder, what to do."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from pso_pipeline.warehouse.errors import WarehouseBusy, WarehouseUnusable
from pso_pipeline.warehouse.landing.orders import land_orders
from pso_pipeline_tests.warehouse.test_landing import landing, order

HOLD_FILE = """
import duckdb, sys
with duckdb.connect(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.readline()
"""
HOLD_LOCK = """
import sys
from pso_pipeline.warehouse.connection import Warehouse
with Warehouse(sys.argv[1]).hold():
    print("open", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def another_process(script, location):
    """A process that holds the warehouse until the block ends, or it is told to let go."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(location)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert next(iter(process.stdout or ())) == "open\n"
        try:
            yield process
        finally:
            process.communicate("go\n")


def count(warehouse):
    with warehouse.open() as connection:
        return connection.execute("SELECT count(*) FROM mews.product_service_orders").fetchone()[0]


@pytest.mark.parametrize("script", [HOLD_FILE, HOLD_LOCK], ids=["a stranger", "one of ours"])
def test_a_busy_warehouse_names_who_holds_it_and_opens_when_that_lets_go(warehouse, script):
    count(warehouse)
    impatient = replace(warehouse, patience_seconds=0.2)
    with another_process(script, warehouse.location) as holder:
        with pytest.raises(WarehouseBusy, match=rf"PID {holder.pid}\b") as caught:
            count(impatient)
        assert "\n" not in str(caught.value)
    assert count(impatient) == 0


def test_a_busy_warehouse_is_waited_for(warehouse):
    count(warehouse)
    with another_process(HOLD_FILE, warehouse.location) as holder:
        holder.stdin.write("go\n")
        holder.stdin.flush()
        assert count(warehouse) == 0


@contextlib.contextmanager
def largest_file(size):
    """Stand in for a full disk: a write that would make a file larger than `size` bytes fails midway."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 1_000, 600_000])
def test_a_full_disk_names_the_file_and_loses_nothing_that_was_landed(warehouse, room):
    with warehouse.open() as connection:
        land_orders(connection, landing(order("first")))
    size = Path(warehouse.location).stat().st_size
    more = [order(f"o{number}", extra=f'{{"a":"{os.urandom(64).hex()}"}}') for number in range(20_000)]
    with (
        largest_file(size + room),
        pytest.raises(WarehouseUnusable, match="make room") as caught,
        warehouse.open() as c,
    ):
        land_orders(c, landing(*more))
    assert warehouse.location in str(caught.value)
    assert "\n" not in str(caught.value)
    assert count(warehouse) == 1
    with warehouse.open() as connection:
        land_orders(connection, landing(*more))
    assert count(warehouse) == 20_001


@pytest.mark.parametrize("room", [0, 8_192])
def test_a_full_disk_while_the_warehouse_is_made(warehouse, room):
    with largest_file(room), pytest.raises(WarehouseUnusable, match="warehouse"), warehouse.open():
        pass
    assert count(warehouse) == 0


@pytest.fixture
def unprivileged():
    """A folder outside of any that only root may pass, and what makes this process nobody: root may write anywhere."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    is_root = os.getuid() == 0

    @contextlib.contextmanager
    def as_nobody():
        if is_root:
            os.seteuid(65_534)
        try:
            yield
        finally:
            os.seteuid(os.getuid())

    yield folder, as_nobody
    shutil.rmtree(folder)


def test_no_permission_names_the_path(warehouse, unprivileged):
    folder, as_nobody = unprivileged
    there = replace(warehouse, location=str(folder / "warehouse.duckdb"))
    count(there)
    (folder / "warehouse.duckdb").chmod(0o400)
    (folder / "warehouse.marts.duckdb.lock").chmod(0o666)
    with (
        as_nobody(),
        pytest.raises(WarehouseUnusable, match=rf"{folder}/warehouse.duckdb cannot be opened: .*ermission"),
    ):
        count(there)
    folder.chmod(0o555)
    elsewhere = replace(warehouse, location=str(folder / "deeper" / "warehouse.duckdb"))
    with as_nobody(), pytest.raises(WarehouseUnusable, match=rf"{folder}/deeper.*Permission denied"):
        count(elsewhere)
    folder.chmod(0o755)


def test_an_error_of_a_statement_is_not_taken_for_a_full_disk(warehouse):
    with pytest.raises(duckdb.CatalogException), warehouse.open() as connection:
        connection.execute("SELECT * FROM no_such_table")
