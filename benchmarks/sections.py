"""What is measured, section by section; each serves its own world and measures everything in it side by side.

A section is a function that takes the size of the run and yields named costs. Add one to `SECTIONS`.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from benchmarks.processes import Cost, median, run
from benchmarks.readers import beside, keep_busy, rest
from benchmarks.server import BEGINNING, Server, serving

REPOSITORY = Path(__file__).parent.parent
PEERS = ("script", "singer", "pyairbyte", "dlt")
CHEAPEST_PEERS = ("script", "pyairbyte")
"""Those that take the least CPU of 100,000 orders: the script, and the one tool."""

ORDERS_PER_ENTERPRISE = 10_000
SERVICES_PER_ENTERPRISE = 4
"""What the portfolio of the targets has; left to its seed, the sandbox gives a hotel some 5.5."""

READING_SECONDS = 20.0
ONE_PERCENT = timedelta(hours=84)
"""In so long a time 1 % of a world's orders are made or change, whatever its size: 573 of 100,000 in 48 hours."""

QUARTER = timedelta(minutes=15)
"""In so long a time next to none of 70,000 orders changes, but some 400 grow a day older, and every hotel's `as_of_utc`
moves: a quiet refresh as it is where the clock does not stand still."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    orders: tuple[int, ...]
    enterprises: tuple[int, ...]
    peer_orders: int
    cheapest_peer_orders: int
    repetitions: int


QUICK = Size(
    orders=(10_000, 100_000), enterprises=(1, 100), peer_orders=10_000, cheapest_peer_orders=100_000, repetitions=1
)
WHOLE = Size(
    orders=(10_000, 100_000, 1_000_000, 5_000_000),
    enterprises=(1, 10, 100, 1_000, 3_500),
    peer_orders=100_000,
    cheapest_peer_orders=1_000_000,
    repetitions=3,
)

Named = tuple[str, Cost]


def start_up(size: Size) -> Iterator[Named]:
    """What it takes before anything is done."""
    commands = {
        "pso --help": [str(Path(sys.executable).with_name("pso")), "--help"],
        "import dagster": [sys.executable, "-c", "import dagster"],
        "load the code location": [sys.executable, "-c", "import pso_pipeline.definitions"],
        "an idle Dagster job": [sys.executable, "-m", "benchmarks.ours", "start"],
    }
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PYTHONPATH": str(REPOSITORY), "DAGSTER_HOME": f"{folder}/dagster"}
        for name, command in commands.items():
            run([command], environment, Path(folder))
            yield name, median([run([command], environment, Path(folder)) for _ in range(size.repetitions + 2)])


def growth_by_orders(size: Size) -> Iterator[Named]:
    """A whole first refresh and its parts, quiet refresh and refreshes of changes, as the orders grow."""
    for orders in size.orders:
        with _World(orders, max(1, orders // ORDERS_PER_ENTERPRISE)) as world:
            repetitions = size.repetitions if orders <= 1_000_000 else 1
            yield f"{orders} first refresh", world.step("refresh", afresh=True)
            yield f"{orders} land", median([world.step("land", afresh=True) for _ in range(repetitions)])
            yield f"{orders} floor", median([world.floor() for _ in range(repetitions)])
            yield f"{orders} derive", world.step("derive")
            yield f"{orders} publish", world.step("publish")
            yield f"{orders} derive one enterprise", median([world.step("derive_one") for _ in range(size.repetitions)])
            yield f"{orders} quiet refresh", world.step("refresh")
            world.advance(ONE_PERCENT * (100_000 / orders))
            yield f"{orders} refresh, 1000 changed", world.step("refresh")
            world.advance(ONE_PERCENT * (100_000 / orders) + ONE_PERCENT)
            yield f"{orders} refresh, 1 % changed", world.step("refresh")


def readers(size: Size) -> Iterator[Named]:
    """A round of a dashboard's queries: alone, on a busy machine, and while every table is published anew."""
    orders = max(size.orders)
    with _World(orders, max(1, orders // ORDERS_PER_ENTERPRISE)) as world:
        for step in ("land", "derive", "publish"):
            world.step(step)
        yield f"{orders} alone", world.readers(lambda: rest(READING_SECONDS))
        yield f"{orders} both cores busy", world.readers(lambda: keep_busy(READING_SECONDS))
        world.advance(timedelta(hours=1))
        for step in ("land", "derive"):
            world.step(step)
        yield f"{orders} while publishing", world.readers(lambda: world.step("publish"))
        yield f"{orders} alone again", world.readers(lambda: rest(READING_SECONDS))


def growth_by_enterprises(size: Size) -> Iterator[Named]:
    """First load and quiet refresh of 70,000 orders, as the hotels grow; of the most hotels with more services too."""
    for enterprises in size.enterprises:
        with _World(70_000, enterprises, SERVICES_PER_ENTERPRISE) as world:
            yield f"{enterprises} start", world.step("start")
            yield f"{enterprises} first refresh", world.step("refresh")
            yield f"{enterprises} quiet refresh", median([world.step("refresh") for _ in range(size.repetitions)])
            yield f"{enterprises} quiet refresh, each 15 minutes later", _later(world, size.repetitions)
    most = max(size.enterprises)
    with _World(70_000, most) as world:
        yield f"{most} first refresh, more services", world.step("refresh")
        yield f"{most} quiet refresh, more services", median([world.step("refresh") for _ in range(size.repetitions)])


def _later(world: "_World", repetitions: int) -> Cost:
    costs = []
    for number in range(1, repetitions + 1):
        world.advance(QUARTER * number)
        costs.append(world.step("refresh"))
    return median(costs)


def peers(size: Size) -> Iterator[Named]:
    """The same orders, read by each tool from the same server."""
    yield from _side_by_side(size.peer_orders, PEERS)


def cheapest_peers(size: Size) -> Iterator[Named]:
    """So many orders that no tool's start counts, read by the cheapest of them."""
    yield from _side_by_side(size.cheapest_peer_orders, CHEAPEST_PEERS)


def _side_by_side(orders: int, names: Sequence[str]) -> Iterator[Named]:
    with _World(orders, max(1, orders // ORDERS_PER_ENTERPRISE)) as world:
        yield "ours", world.step("land", afresh=True)
        yield "floor", world.floor()
        for name in names:
            yield name, world.peer(name)


SECTIONS = {
    "start-up": start_up,
    "orders": growth_by_orders,
    "readers": readers,
    "enterprises": growth_by_enterprises,
    "peers": peers,
    "cheapest peers": cheapest_peers,
}


class _World:
    """A running server and a folder for what is made of its orders; a context manager."""

    def __init__(self, orders: int, enterprises: int, services: int | None = None) -> None:
        self._serving = serving(orders, enterprises, services)
        self._temporary = tempfile.TemporaryDirectory(prefix="pso-benchmark-")
        self._folder = Path(self._temporary.name)
        self._runs = 0

    def __enter__(self) -> Self:
        self._server: Server = self._serving.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self._serving.__exit__(None, None, None)
        self._temporary.cleanup()

    def advance(self, by: timedelta) -> None:
        """Let the server's clock stand so long after the beginning."""
        self._server.set_clock(BEGINNING + by)

    def step(self, step: str, *, afresh: bool = False) -> Cost:
        """Run a step of the pipeline, in a new folder where it is to begin afresh."""
        self._runs += afresh
        return run([[sys.executable, "-m", "benchmarks.ours", step]], self._environment(), self._home())

    def readers(self, work: Callable[[], object]) -> Cost:
        """Let a dashboard ask for the snapshot while `work` goes on."""
        return beside(work, self._environment())

    def floor(self) -> Cost:
        """Drain the pages and insert the rows of the warehouse."""
        command = [sys.executable, "-m", "benchmarks.floor", self._environment()["PSO_WAREHOUSE"]]
        return run([command], self._environment(), self._home())

    def peer(self, name: str) -> Cost:
        """Load the orders by another tool."""
        folder = self._folder / name
        folder.mkdir()
        (folder / "services.json").write_text(json.dumps(self._service_ids()), encoding="utf-8")
        database = str(folder / "orders.duckdb")
        environment = {
            **self._environment(),
            "PYTHONPATH": "",
            "HOME": str(folder),
            "BENCH_SERVICES": str(folder / "services.json"),
            "BENCH_DATABASE": database,
            "BENCH_FOLDER": str(folder),
            # no address but the sandbox's is asked for anything
            "DO_NOT_TRACK": "1",
            "AIRBYTE_OFFLINE_MODE": "1",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }
        binaries = REPOSITORY / f".venv-bench-{name}" / "bin"
        commands = [[str(binaries / "python"), str(REPOSITORY / "benchmarks" / "peers" / f"load_{name}.py")]]
        if name == "singer":
            target = folder / "target.json"
            target.write_text(json.dumps({"path": database, "default_target_schema": "mews"}), encoding="utf-8")
            commands.append([str(binaries / "target-duckdb"), "--config", str(target)])
        cost = run(commands, environment, folder)
        return Cost(cost.cpu, cost.wall, cost.memory, orders=self._server.orders)

    def _home(self) -> Path:
        return self._folder / f"run-{self._runs}"

    def _environment(self) -> dict[str, str]:
        home = self._home()
        return {
            "PYTHONPATH": str(REPOSITORY),
            "MEWS_PLATFORM_ADDRESS": self._server.address,
            "MEWS_CLIENT_TOKEN": self._server.client_token,
            "MEWS_ACCESS_TOKENS": self._server.access_token,
            "MEWS_REQUESTS_PER_WINDOW": "1000000",
            "PSO_WAREHOUSE": str(home / "warehouse.duckdb"),
            "PSO_BI_DIR": str(home / "bi"),
            "DAGSTER_HOME": str(home / "dagster"),
            "PATH": os.environ["PATH"],
        }

    def _service_ids(self) -> list[str]:
        # DuckDB in this process would count as memory of every child that is measured
        import httpx

        from benchmarks.floor import service_ids

        tokens = {
            "ClientToken": self._server.client_token,
            "AccessToken": self._server.access_token,
            "Client": "benchmark",
        }
        with httpx.Client(base_url=self._server.address, timeout=60) as client:
            return service_ids(client, tokens)
