"""Machines that refresh one lake at once: none fails, and everything is there once.

Each machine is a process with its own folders, whose clock is off by up to an hour. The long form is
`PSO_TEST_MACHINES=8 PSO_TEST_ROUNDS=20`.
"""

import contextlib
import os
import threading
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve
from pso_pipeline_tests.processes import PROCESSES
from pso_pipeline_tests.reliability.lakes import compare_lake_with_source
from pso_pipeline_tests.reliability.refreshing import migrate_and_refresh_with, refresh_with
from pso_pipeline_tests.warehouse.files import needs_ducklake

pytestmark = [needs_ducklake, pytest.mark.stores("lake")]

MACHINES = int(os.environ.get("PSO_TEST_MACHINES", "3"))
ROUNDS = int(os.environ.get("PSO_TEST_ROUNDS", "1"))

ONE_INSTANT = """
    SELECT
        (SELECT count(*) FROM mews.product_service_orders),
        (SELECT count(DISTINCT id) FROM mews.product_service_orders),
        (SELECT count(*) FROM mart.fct_product_service_orders),
        (SELECT count(DISTINCT order_id) FROM mart.fct_product_service_orders),
        (SELECT coalesce(sum(orders_created), 0) FROM mart.agg_orders_daily),
        (SELECT count(*) FROM mart.dim_enterprises),
        (SELECT count(DISTINCT enterprise_id) FROM mart.dim_enterprises)
"""


@dataclass(frozen=True)
class Machines:
    """Machines that refresh one lake from one sandbox; the hotel of each has an access token of its own."""

    sandbox: Any
    warehouse: Warehouse
    folder: Path
    tokens: list[str]
    is_locked: bool = True

    def refresh(self, tokens, refresh=refresh_with):
        """Refresh on all machines at once, each with one of the tokens; all succeed, or the first failure ends all."""
        processes = [self._start(number, token, refresh) for number, token in enumerate(tokens)]
        running = {process.sentinel: process for process in processes}
        while running:
            ended = [running.pop(sentinel) for sentinel in wait(list(running))]
            if any(process.exitcode for process in ended):
                break
        for process in running.values():
            process.kill()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * len(processes)

    def _start(self, number, token, refresh):
        folder = self.folder / f"machine {number}"
        folder.mkdir(exist_ok=True)
        settings = {
            "MEWS_PLATFORM_ADDRESS": self.sandbox.address,
            "MEWS_CLIENT_TOKEN": self.sandbox.world.client_token,
            "MEWS_ACCESS_TOKENS": token,
            "MEWS_REQUESTS_PER_WINDOW": "1000000",
            "PSO_WAREHOUSE": self.warehouse.location,
            "PSO_WAREHOUSE_DATA": str(self.warehouse.data_path),
            "PSO_BI_DIR": str(folder / "bi"),
            "TMPDIR": str(folder),
            "HOME": str(folder),
        }
        odd = {"hours_off": (-1, 0, 1)[number % 3], "is_locked": self.is_locked}
        process = PROCESSES.Process(target=refresh, args=(settings, folder, 20, 2, False), kwargs=odd)
        process.start()
        return process

    def compare_with_source(self):
        """Compare the lake with the source; return the number of orders."""
        return compare_lake_with_source(self.sandbox, self.warehouse)


@contextlib.contextmanager
def reading(warehouse):
    """Read the lake all the time in the block; every look sees one instant, with everything once."""
    looks: list[tuple[int, ...]] = []
    problems: list[object] = []
    is_over = threading.Event()

    def read():
        try:
            with warehouse.open() as connection:
                while not is_over.is_set():
                    looks.append(connection.execute(ONE_INSTANT).fetchall()[0])
        except (duckdb.Error, WarehouseError) as error:
            problems.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        is_over.set()
        reader.join()
    problems += [look for look in looks if (look[0], look[2], look[2], look[5]) != (look[1], look[3], look[4], look[6])]
    assert problems == []
    assert looks


@pytest.fixture
def world(any_server_time):
    world = ScriptedWorld()
    world.clock.freeze()
    for _ in range(MACHINES):
        service = world.add_service(world.add_enterprise())
        for _ in range(45):
            world.add_order(service, State="Confirmed")
    return world


@pytest.fixture
def sandbox(world):
    with serve(world, requests_per_window=None) as running:
        yield running


@pytest.fixture
def machines(sandbox, world, warehouse, tmp_path):
    enterprises = world.snapshot(world.clock.now()).enterprises
    tokens = [f"token-of-hotel-{number}" for number in range(MACHINES)]
    for token, enterprise in zip(tokens, enterprises, strict=True):
        world.grant(token, [enterprise])
    return Machines(sandbox, warehouse, tmp_path, tokens)


def go_on(world):
    """Let a day pass, in which orders of every hotel change and new ones come."""
    world.clock.advance(timedelta(days=1).total_seconds())
    now = world.snapshot(world.clock.now())
    for order in now.orders[::9]:
        world.change(order, State="Canceled", CancelledUtc=order["CreatedUtc"])
    for service in now.services:
        for _ in range(7):
            world.add_order(service, State="Confirmed")


def test_machines_at_once_lose_and_double_nothing(machines, world):
    for _ in range(ROUNDS):
        with reading(machines.warehouse):
            machines.refresh(machines.tokens)
            go_on(world)
            machines.refresh([world.access_token] * MACHINES)
        machines.compare_with_source()
        go_on(world)


def test_without_the_lock_they_do(machines, world):
    """Or the test above would show nothing."""
    unlocked = Machines(machines.sandbox, machines.warehouse, machines.folder, machines.tokens, is_locked=False)
    with pytest.raises(AssertionError):
        refresh_and_compare(unlocked, [world.access_token] * MACHINES, rounds=3)


def refresh_and_compare(machines, tokens, rounds):
    for _ in range(rounds):
        machines.refresh(tokens)
        machines.compare_with_source()
        go_on(machines.sandbox.world)


def test_machines_at_once_make_an_empty_lake(machines, postgres, store, tmp_path):
    location = f"ducklake:postgres:{postgres.keywords(postgres.new_database())}"
    empty = Warehouse(location, data_path=str(tmp_path / "data"))
    first = Machines(machines.sandbox, empty, tmp_path, machines.tokens)
    first.refresh(machines.tokens, migrate_and_refresh_with)
    assert first.compare_with_source() == MACHINES * 45
