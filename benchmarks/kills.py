"""SIGKILL of runs, code server and daemon in turns, during refreshes: what is lost, and whether all continues.

    python -m benchmarks.kills --kills 20

Serves a generated group of hotels that changes, keeps Dagster running as `pso demo` does, and kills one of its
processes at a time. Afterwards no run may be under way for ever, refreshes must succeed without a hand, and after a
refresh as the hourly one the snapshot must hold each order of the source once. Prints one JSON object.
"""

import argparse
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from benchmarks.busy import busy_world
from benchmarks.freshness import ORDERS_PER_HOTEL, below, first_load_is_over, wait_until
from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.cli.serving import STEADY_SECONDS
from pso_pipeline.orchestration.queue import UNFINISHED
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.world import GeneratedWorld
from pso_pipeline_tests.fakes.server import serve

ORDERS_A_MINUTE = 20.0
TARGETS = {"run": "multiprocessing.spawn", "code server": "api grpc", "daemon": "dagster._daemon"}
"""Parts of the command lines of the processes that are killed in turns."""

PAUSES = (0.2, 1.1, 2.3, 0.6, 1.7, 3.1, 0.0)
"""Seconds before a process is killed, so that it does something else each time."""

KEEP_SERVING = (
    "import sys; from pathlib import Path; from pso_pipeline.cli.serving import keep_serving;"
    " sys.exit(keep_serving(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), print))"
)


def victims(root: int, part: str) -> list[int]:
    """Return the descendants of a process whose command line contains this, the youngest first."""
    found = []
    for process in below(root):
        try:
            line = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if part in line and process != root:
            found.append(process)
    return sorted(found, reverse=True)


def kill_in_turns(root: int, kills: int) -> Counter[str]:
    """Kill processes, one kind after the other; wait for one that is not there.

    Dagster that ends within a minute of its start is not started again, so its daemon is left alone for that long.
    """
    killed: Counter[str] = Counter()
    pauses = itertools.cycle(PAUSES)
    started = time.monotonic()
    for name in itertools.islice(itertools.cycle(TARGETS), kills):
        if name == "daemon":
            time.sleep(max(0.0, started + STEADY_SECONDS + 10 - time.monotonic()))
            started = time.monotonic()
        time.sleep(next(pauses))
        wait_until(lambda part=TARGETS[name]: victims(root, part), 300)
        os.kill(victims(root, TARGETS[name])[0], signal.SIGKILL)
        killed[name] += 1
        sys.stderr.write(f"{time.strftime('%X')} killed {name}\n")
        time.sleep(2 * next(pauses))
    return killed


def compare(world: GeneratedWorld, folder: Path) -> dict[str, int]:
    """Count the orders of the source, and those that the snapshot lacks, has twice or has beyond them."""
    expected = {order["Id"]: order["State"] for order in world.snapshot(world.clock.now()).orders}
    with duckdb.connect(str(folder / "bi" / "pso_bi.duckdb"), read_only=True) as snapshot:
        rows = snapshot.execute("SELECT order_id, state FROM mart.fct_product_service_orders").fetchall()
    published = dict(rows)
    return {
        "orders at the source": len(expected),
        "lost": len(expected.keys() - published.keys()),
        "doubled": len(rows) - len(published),
        "beyond the source": len(published.keys() - expected.keys()),
        "in another state": sum(published.get(order, state) != state for order, state in expected.items()),
    }


def measure(hotels: int, kills: int, folder: Path) -> dict[str, Any]:
    """Load, kill, wait; return the figures."""
    world = busy_world(hotels, hotels * ORDERS_PER_HOTEL, ORDERS_A_MINUTE, Clock())
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serve(world, requests_per_window=None) as sandbox:
        os.environ.update(
            MEWS_PLATFORM_ADDRESS=sandbox.address,
            MEWS_CLIENT_TOKEN=world.client_token,
            MEWS_ACCESS_TOKENS=world.access_token,
            MEWS_REQUESTS_PER_WINDOW="100000",
            PSO_WAREHOUSE=str(folder / "warehouse.duckdb"),
            PSO_BI_DIR=str(folder / "bi"),
        )
        prepare_dagster_home(folder / "dagster")
        arguments = [sys.executable, "-c", KEEP_SERVING, str(port), str(folder), str(folder / "dagster.log")]
        serving = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        try:
            with DagsterInstance.get() as instance:
                first_load_is_over(hotels, instance)
                began = time.time()
                killed = kill_in_turns(serving.pid, kills)
                ended = time.time()
                unfinished = RunsFilter(statuses=list(UNFINISHED))

                def old_runs() -> list[Any]:
                    return [each for each in instance.get_run_records(unfinished) if (each.start_time or 0) < ended]

                def succeeded() -> bool:
                    done = instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.SUCCESS]), limit=5)
                    return any((each.start_time or 0) > ended for each in done)

                figures: dict[str, Any] = {"kills": dict(killed), "killing took seconds": round(ended - began)}
                figures["a new refresh had succeeded after seconds"] = round(wait_until(succeeded, 900))
                wait_until(lambda: not old_runs(), 900)
                figures["no run of before was under way after seconds"] = round(time.time() - ended)
                world.clock.freeze()
                wait_until(lambda: not instance.get_runs(unfinished), 300)
                figures["before the next hourly refresh"] = compare(world, folder)
                subprocess.run([str(Path(sys.executable).with_name("pso")), "refresh"], capture_output=True, check=True)
                figures["after it"] = compare(world, folder)
                figures["runs"] = dict(Counter(run.status.value for run in instance.get_runs()))
        finally:
            serving.send_signal(signal.SIGINT)
            serving.wait(60)
    return figures


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hotels", type=int, default=20)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.hotels, options.kills, Path(folder))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
