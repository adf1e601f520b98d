"""What is measured: one function for each row of the targets, and for what else the page shows.

Each function serves a world of its own, measures everything of its row against it, and yields named costs. Add one to
`ROWS` for a new row. How a cost becomes a line of the page is in `page`.
"""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from benchmarks.processes import Cost, cpu_of, median, run
from benchmarks.readers import beside, keep_busy, rest
from benchmarks.server import BEGINNING, Server, serving

if TYPE_CHECKING:
    from pso_pipeline_tests.fakes.postgres import Postgres

REPOSITORY = Path(__file__).parent.parent

SCRIPT = "script"
TOOLS = ("singer", "pyairbyte", "dlt")
LARGE_LOAD_TOOLS = ("singer", "pyairbyte")
"""dlt takes twice as much CPU as each of these, and an hour for a million orders."""

ORDERS_PER_HOTEL = 10_000
SERVICES_PER_HOTEL = 4
READING_SECONDS = 20.0

ITEMS_PER_ORDER = 1.67
"""Items that the sandbox has for an order, those of types that are left out too."""

BOTH = {"PSO_ENDPOINTS": "order_items,products"}

ONE_PERCENT = timedelta(hours=84)
"""In this time 1 % of a world's orders are made or change."""

CHANGES = 1_000

QUARTER = timedelta(minutes=15)
"""In this time nearly no order changes, but the time of the data of every hotel moves on."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    first_load: int
    many: int
    few: int
    hotels: int
    lakes: tuple[int, ...]
    peers: int
    repetitions: int


QUICK = Size(first_load=100_000, many=100_000, few=20_000, hotels=100, lakes=(10, 100), peers=10_000, repetitions=1)
WHOLE = Size(
    first_load=1_000_000,
    many=5_000_000,
    few=100_000,
    hotels=3_500,
    lakes=(10, 1_000, 3_500),
    peers=100_000,
    repetitions=3,
)

Named = tuple[str, Cost]


def first_load(size: Size) -> Iterator[Named]:
    """The first load by the pipeline, the least that it can cost, and the same orders by other tools."""
    with _World(size.first_load) as world:
        yield "ours", median([world.step("land", in_new_folder=True) for _ in range(size.repetitions)])
        yield "floor", median([world.floor() for _ in range(size.repetitions)])
        for name in (SCRIPT, *LARGE_LOAD_TOOLS):
            yield name, world.peer(name)


def items(size: Size) -> Iterator[Named]:
    """The first load of orders alone, and with about as many items: what items add is the difference."""
    with _World(round(size.first_load / ITEMS_PER_ORDER)) as world:
        yield "orders", world.step("land", in_new_folder=True)
        yield "orders and items", world.step("land", in_new_folder=True, PSO_ENDPOINTS="order_items")


def memory(size: Size) -> Iterator[Named]:
    """A whole first refresh with the default memory limit and with a low one."""
    with _World(size.many) as world:
        yield "default limit", world.step("refresh", in_new_folder=True)
        yield "PSO_MEMORY_LIMIT=400MB", world.step("refresh", in_new_folder=True, PSO_MEMORY_LIMIT="400MB")


def quiet_refresh(size: Size) -> Iterator[Named]:
    """A refresh of many hotels in which nothing changed, at once and 15 minutes later."""
    with _World(20 * size.hotels, size.hotels, SERVICES_PER_HOTEL) as world:
        yield "start", median([world.step("start") for _ in range(size.repetitions)])
        yield "first refresh", world.step("refresh", **BOTH)
        yield "quiet refresh", median([world.step("refresh", **BOTH) for _ in range(size.repetitions)])
        later = []
        for number in range(1, size.repetitions + 1):
            world.advance(QUARTER * number)
            later.append(world.step("refresh", **BOTH))
        yield "15 minutes later", median(later)


def lake(size: Size) -> Iterator[Named]:
    """A refresh in which nothing changed, of a file and of a lake alternately; the CPU of PostgreSQL apart."""
    for hotels in size.lakes:
        with _World(20 * hotels, hotels, SERVICES_PER_HOTEL) as world:
            yield from _file_and_lake(world, f"{hotels:,} hotels", size.repetitions)
    with _World(size.many) as world:
        yield from _file_and_lake(world, f"{size.many:,} orders", size.repetitions)


def _file_and_lake(world: "_World", name: str, repetitions: int) -> Iterator[Named]:
    with _postgres() as server:
        folder = world.folder / "lake"
        settings = {
            "PSO_WAREHOUSE": f"ducklake:postgres:{server.keywords('postgres')}",
            "PSO_WAREHOUSE_DATA": str(folder / "data"),
            "PSO_BI_DIR": str(folder / "bi"),
            "DAGSTER_HOME": str(folder / "dagster"),
        }
        world.step("migrate", **settings)
        costs: dict[str, list[Cost]] = {"file": [], "lake": [], "PostgreSQL of the lake": []}
        # each first refresh, and one more: what a process does once is not of a quiet refresh
        for _ in range(2 + repetitions):
            costs["file"].append(world.step("refresh"))
            before = cpu_of(server.pid)
            costs["lake"].append(world.step("refresh", **settings))
            costs["PostgreSQL of the lake"].append(Cost(cpu_of(server.pid) - before, 0.0, 0.0))
        for of, each in costs.items():
            yield f"{name}, {of}", median(each[2:])


@contextlib.contextmanager
def _postgres() -> "Iterator[Postgres]":
    """Run a server for the length of the block."""
    # its client in this process would count as memory of every child that is measured
    from pso_pipeline_tests.fakes.postgres import running_postgres

    with tempfile.TemporaryDirectory(prefix="pso-benchmark-") as folder, running_postgres(Path(folder)) as server:
        yield server


def changes(size: Size) -> Iterator[Named]:
    """A refresh in which the same number of orders changed, among few orders and among many."""
    for orders in (size.few, size.many):
        with _World(orders) as world:
            world.step("refresh")
            world.advance(ONE_PERCENT * (100 * CHANGES / orders))
            yield f"{orders:,} orders", world.step("refresh")


def publication(size: Size) -> Iterator[Named]:
    """The first publication, and one after the orders of two months changed."""
    with _World(size.many) as world:
        for step in ("land", "derive"):
            world.step(step)
        yield "all months", world.step("publish")
        world.step("change_two_months")
        yield "two months", world.step("publish")


def marts(size: Size) -> Iterator[Named]:
    """The marts from nothing."""
    with _World(size.many) as world:
        world.step("land")
        yield "from nothing", world.step("derive")


def peers(size: Size) -> Iterator[Named]:
    """The first load of fewer orders by every tool, whose start counts."""
    with _World(size.peers) as world:
        yield "ours", world.step("land", in_new_folder=True)
        yield "floor", world.floor()
        for name in (SCRIPT, *TOOLS):
            yield name, world.peer(name)


def readers(size: Size) -> Iterator[Named]:
    """A round of a dashboard's queries: alone, on a busy machine, and during a publication."""
    with _World(size.many) as world:
        for step in ("land", "derive", "publish"):
            world.step(step)
        yield "alone", world.readers(lambda: rest(READING_SECONDS))
        yield "all cores busy", world.readers(lambda: keep_busy(READING_SECONDS))
        world.advance(timedelta(hours=1))
        for step in ("land", "derive"):
            world.step(step)
        yield "during a publication", world.readers(lambda: world.step("publish"))


def start(size: Size) -> Iterator[Named]:
    """What the command, Dagster and the code location take before they do anything."""
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
            yield name, median([run([command], environment, Path(folder)) for _ in range(size.repetitions)])


ROWS: dict[str, Callable[[Size], Iterator[Named]]] = {
    "first-load": first_load,
    "items": items,
    "memory": memory,
    "quiet-refresh": quiet_refresh,
    "lake": lake,
    "changes": changes,
    "publication": publication,
    "marts": marts,
    "peers": peers,
    "readers": readers,
    "start": start,
}


class _World:
    """A running server and a folder for what is made of its orders; a context manager."""

    def __init__(self, orders: int, hotels: int | None = None, services: int | None = None) -> None:
        self._serving = serving(orders, hotels or max(1, orders // ORDERS_PER_HOTEL), services)
        self._temporary = tempfile.TemporaryDirectory(prefix="pso-benchmark-")
        self._folder = Path(self._temporary.name)
        self._folders = 0

    def __enter__(self) -> Self:
        self._server: Server = self._serving.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self._serving.__exit__(None, None, None)
        self._temporary.cleanup()

    @property
    def folder(self) -> Path:
        """The folder of everything that is made of the orders."""
        return self._folder

    def advance(self, by: timedelta) -> None:
        """Set the server's clock to a time after the beginning."""
        self._server.set_clock(BEGINNING + by)

    def step(self, step: str, *, in_new_folder: bool = False, **settings: str) -> Cost:
        """Run a step of the pipeline."""
        self._folders += in_new_folder
        command = [sys.executable, "-m", "benchmarks.ours", step]
        return run([command], self._environment() | settings, self._home())

    def readers(self, work: Callable[[], object]) -> Cost:
        """Query the snapshot as a dashboard does while `work` runs."""
        return beside(work, self._environment())

    def floor(self) -> Cost:
        """Read the pages and insert the rows of the warehouse."""
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
            # no request goes to any address but the sandbox's
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
        return self._folder / f"run-{self._folders}"

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
            "PSO_ENDPOINTS": "none",
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
