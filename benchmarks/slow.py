"""Refreshes from an API whose every response takes long: how each ends, and how long it takes.

    python -m benchmarks.slow --seconds 1 5 20 60

Serves one group of hotels for each of the lengths, all at once, and refreshes each twice by `pso refresh` while orders
change: a first read, and one of what changed meanwhile. Prints one JSON object.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.busy import busy_world
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline_tests.fakes.faults import Slow
from pso_pipeline_tests.fakes.server import serve

HOTELS = 5
ORDERS = 500
ORDERS_A_MINUTE = 10.0
TIMEOUT_SECONDS = 1800


def refresh(settings: dict[str, str], folder: Path) -> dict[str, Any]:
    """Refresh once in a process of its own; return how long it took and its exit status."""
    began = time.monotonic()
    command = [str(Path(sys.executable).with_name("pso")), "refresh"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            command, cwd=folder, env=os.environ | settings, capture_output=True, check=False, timeout=TIMEOUT_SECONDS
        )
        return {"status": done.returncode, "seconds": round(time.monotonic() - began)}
    return {"status": "did not end", "seconds": TIMEOUT_SECONDS}


def measure(delay: float, folder: Path) -> dict[str, Any]:
    """Refresh twice while each response takes a number of seconds."""
    world = busy_world(HOTELS, ORDERS, ORDERS_A_MINUTE, Clock())
    with serve(world, requests_per_window=None) as sandbox:
        sandbox.faults.add(Slow(delay), times=None)
        settings = {
            "MEWS_PLATFORM_ADDRESS": sandbox.address,
            "MEWS_CLIENT_TOKEN": world.client_token,
            "MEWS_ACCESS_TOKENS": world.access_token,
            "PSO_WAREHOUSE": str(folder / "warehouse.duckdb"),
            "PSO_BI_DIR": str(folder / "bi"),
            "DAGSTER_HOME": str(folder / "dagster"),
        }
        figures: dict[str, Any] = {"first": refresh(settings, folder)}
        figures["first"]["requests"] = len(sandbox.requests)
        sandbox.requests.clear()
        figures["second"] = refresh(settings, folder)
        figures["second"]["requests"] = len(sandbox.requests)
    return figures


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 5.0, 20.0, 60.0])
    options = parser.parse_args()
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(len(options.seconds)) as pool:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in options.seconds]
        found = dict(zip(options.seconds, pool.map(measure, options.seconds, folders), strict=True))
    sys.stdout.write(json.dumps({f"{delay:g} s": figures for delay, figures in found.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
