"""An outage of the API under `dagster dev`: when status, assets and alert show it, and when all has recovered.

    python -m benchmarks.outage --hotels 50 --minutes 5

Serves a generated group of hotels, starts `dagster dev`, waits for the first load, drops every connection to the API
for some minutes, and then serves again. Prints one JSON object: the seconds from the beginning and from the end of the
outage until each of them is red, and green, and the messages that the webhook received.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dagster import AssetCheckKey, AssetKey, DagsterInstance, RunsFilter

from benchmarks.freshness import ORDERS_PER_HOTEL, Webhook, dagster_dev, failed_partitions, first_load_is_over
from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.orchestration.queue import UNFINISHED
from pso_pipeline.sandbox.world import GeneratedWorld
from pso_pipeline_tests.fakes.faults import Disconnect
from pso_pipeline_tests.fakes.server import serve

ANSWERS = AssetCheckKey(AssetKey("enterprises"), "api_answers")
EVERY_SECONDS = 3.0
TIMEOUT_SECONDS = 900.0


def status() -> int:
    """Return the exit status of `pso status`."""
    command = [str(Path(sys.executable).with_name("pso")), "status"]
    return subprocess.run(command, capture_output=True, check=False).returncode


def api_answers(instance: DagsterInstance) -> bool:
    """Return whether the latest evaluation of the check passed."""
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key([ANSWERS]).get(ANSWERS)
    evaluation = found.evaluation if found else None
    return evaluation is None or evaluation.passed


def first_times(conditions: dict[str, Callable[[], bool]], seconds: float, began: float) -> dict[str, float | None]:
    """Poll conditions for some time; return for each the seconds until it was first true, None where it never was."""
    found: dict[str, float | None] = dict.fromkeys(conditions)
    while time.time() - began < seconds:
        for name, is_true in conditions.items():
            if found[name] is None and is_true():
                found[name] = round(time.time() - began, 1)
        time.sleep(EVERY_SECONDS)
        if seconds == TIMEOUT_SECONDS and None not in found.values():
            break
    return found


def measure(hotels: int, minutes: float, folder: Path) -> dict[str, Any]:
    """Load, break, mend; returns the figures."""
    world = GeneratedWorld(enterprises=hotels, orders=hotels * ORDERS_PER_HOTEL)
    webhook = Webhook()
    with serve(world, requests_per_window=None) as sandbox:
        os.environ.update(
            MEWS_PLATFORM_ADDRESS=sandbox.address,
            MEWS_CLIENT_TOKEN=world.client_token,
            MEWS_ACCESS_TOKENS=world.access_token,
            PSO_WAREHOUSE=str(folder / "warehouse.duckdb"),
            PSO_BI_DIR=str(folder / "bi"),
            PSO_ALERT_WEBHOOK=webhook.address,
        )
        prepare_dagster_home(folder / "dagster")
        with dagster_dev(folder) as (_, port), DagsterInstance.get() as instance:
            first_load_is_over(hotels, instance)
            before = {"status": status(), "messages": len(webhook.alerts)}
            sandbox.faults.add(Disconnect(), times=None)
            began = time.time()
            red = first_times(
                {
                    "alert": lambda: len(webhook.alerts) > before["messages"],
                    "check api_answers": lambda: not api_answers(instance),
                    "pso status": lambda: status() != 0,
                    "partitions": lambda: bool(failed_partitions(port)),
                },
                minutes * 60,
                began,
            )
            during = webhook.alerts[before["messages"] :]
            sandbox.faults.clear()
            ended = time.time()
            sent = len(webhook.alerts)
            green = first_times(
                {
                    "alert": lambda: len(webhook.alerts) > sent,
                    "check api_answers": lambda: api_answers(instance),
                    "pso status": lambda: status() == 0,
                    "partitions": lambda: not failed_partitions(port),
                },
                TIMEOUT_SECONDS,
                ended,
            )
            time.sleep(60)
            return {
                "hotels": hotels,
                "outage in seconds": round(ended - began),
                "before": before,
                "red after seconds": red,
                "green after seconds": green,
                "messages during": [(round(at - began), body) for at, body in during],
                "messages afterwards": [(round(at - ended), body) for at, body in webhook.alerts[sent:]],
                "runs left unfinished": len(instance.get_runs(RunsFilter(statuses=list(UNFINISHED)))),
            }


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hotels", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.hotels, options.minutes, Path(folder))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
