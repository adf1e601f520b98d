"""How long a change takes from the source to the published snapshot, under Dagster's daemon.

Serves a generated group of hotels, starts `dagster dev`, waits for discovery and the first load, and then
watches the published snapshot while orders change. Prints one JSON object of figures.

    python -m benchmarks.freshness --hotels 50 --own-tokens --revoke
    python -m benchmarks.freshness --hotels 3500 --lift-limit --browser --backfill

With `--revoke`, the token of one hotel is refused for a minute. `--lift-limit` removes the rate limit, at which the
first read of 3,500 hotels mostly waits.
"""

import argparse
import contextlib
import http.server
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import httpx
from dagster import AssetKey, DagsterInstance, RunsFilter

from benchmarks.busy import busy_world
from pso_pipeline.bi.folder import current_name, snapshot_path
from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.orchestration.partitions import ENTERPRISE_PARTITIONS
from pso_pipeline.orchestration.queue import UNFINISHED
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline_tests.browser import chromium
from pso_pipeline_tests.fakes.faults import Answer
from pso_pipeline_tests.fakes.server import Sandbox, serve

METRICS = AssetKey("check_in_cancellation_metrics")
ORDERS_PER_HOTEL = 20
REVOKED_SECONDS = 60
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROCESSES = {
    "web server": "dagster_webserver",
    "daemon": "dagster._daemon",
    "code server": "api grpc",
    "run": "multiprocessing.spawn",
}
"""What the command lines of Dagster's processes hold."""

STATUSES = """query { assetNodeOrError(assetKey: {path: ["product_service_orders"]}) { ... on AssetNode {
    partitionKeysByDimension { name partitionKeys }
    assetPartitionStatuses { ... on DefaultPartitionStatuses {
        materializedPartitions failedPartitions unmaterializedPartitions materializingPartitions } } } } }"""
"""The query of the partitions page."""


BACKFILL = """mutation { launchPartitionBackfill(backfillParams: {
    assetSelection: [{path: ["product_service_orders"]}, {path: ["check_in_cancellation_metrics"]}], allPartitions: true
}) { __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
"""What the button "Materialize all" sends for the two partitioned assets."""


class Webhook:
    """Receives alerts and notes when."""

    def __init__(self) -> None:
        self.alerts: list[tuple[float, dict[str, str]]] = []
        alerts = self.alerts

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                alerts.append((time.time(), body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Where alerts are posted."""
        return f"http://127.0.0.1:{self.server.server_port}/"


class Watcher:
    """Notes when each version of an order is first seen in the published snapshot; a thread."""

    def __init__(self, bi_dir: Path) -> None:
        self.seen: dict[tuple[str, datetime], float] = {}
        self.publications = 0
        self._bi_dir = bi_dir
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the watching."""
        self._stop.set()
        self._thread.join()

    def latencies(self, since: int, until: int) -> list[float]:
        """Return the seconds from change to snapshot, for the changes between two moments."""
        return sorted(
            at - updated.replace(tzinfo=UTC).timestamp()
            for (_, updated), at in self.seen.items()
            if since <= updated.replace(tzinfo=UTC).timestamp() <= until
        )

    def _watch(self) -> None:
        current = None
        while not self._stop.wait(0.2):
            name = current_name(self._bi_dir)
            if name is None or name == current:
                continue
            current, now = name, time.time()
            with duckdb.connect(str(snapshot_path(self._bi_dir)), read_only=True) as snapshot:
                rows = snapshot.execute(
                    "FROM mart.fct_product_service_orders SELECT order_id, updated_at"
                    " QUALIFY updated_at > max(updated_at) OVER () - INTERVAL 1 HOUR"
                ).fetchall()
            self.publications += 1
            for row in rows:
                self.seen.setdefault(row, now)


class Meter:
    """Samples memory and CPU time of a process and its children, by kind; a thread."""

    def __init__(self, root: int) -> None:
        self.peak_mb: dict[str, float] = {}
        self.last_mb: dict[str, float] = {}
        self._cpu: dict[tuple[str, int], float] = {}
        self._root = root
        threading.Thread(target=self._sample, daemon=True).start()

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU so far, by kind of process."""
        spent: dict[str, float] = {}
        for (kind, _), seconds in list(self._cpu.items()):
            spent[kind] = spent.get(kind, 0.0) + seconds
        return {kind: round(seconds, 1) for kind, seconds in spent.items()}

    def _sample(self) -> None:
        while True:
            sizes: dict[str, float] = {}
            for process in below(self._root):
                with contextlib.suppress(OSError, IndexError):
                    folder = Path(f"/proc/{process}")
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    kind = next((kind for kind, part in PROCESSES.items() if part in line), "other")
                    fields = (folder / "stat").read_text().rpartition(")")[2].split()
                    self._cpu[kind, process] = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
                    rollup = re.search(r"^Pss:\s+(\d+)", (folder / "smaps_rollup").read_text(), re.MULTILINE)
                    sizes[kind] = sizes.get(kind, 0.0) + int(rollup[1] if rollup else 0) / 1024
            self.last_mb = {kind: round(size) for kind, size in sizes.items()}
            for kind, size in self.last_mb.items():
                self.peak_mb[kind] = max(size, self.peak_mb.get(kind, 0))
            time.sleep(0.5)


def below(root: int) -> list[int]:
    """Return a process and all its descendants."""
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{process}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
    return found


@contextlib.contextmanager
def dagster_dev(folder: Path) -> Iterator[tuple[int, int]]:
    """Run the web server, the daemon and the code server; yield the process id and the port."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "dev", "-m", "pso_pipeline.definitions", "-h", "127.0.0.1"]
    with (folder / "dagster.log").open("wb") as log:
        process = subprocess.Popen([*command, "-p", str(port)], cwd=folder, stdout=log, stderr=log)
    try:
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def query_ui(port: int, query: str) -> tuple[float, dict[str, Any]]:
    """Query the web server by GraphQL; return the seconds and the data."""
    began = time.monotonic()
    answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": query}, timeout=120)
    data: dict[str, Any] = answer.json()["data"]
    return time.monotonic() - began, data


def failed_partitions(port: int) -> list[str]:
    """Return the partitions that the UI shows as failed."""
    found: list[str] = query_ui(port, STATUSES)[1]["assetNodeOrError"]["assetPartitionStatuses"]["failedPartitions"]
    return found


def wait_until(condition: Callable[[], object], seconds: float) -> float:
    """Wait until a condition is true; return the seconds that took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"{condition} did not come true within {seconds} s")
        time.sleep(0.5)
    return time.monotonic() - began


def percentiles(values: list[float]) -> dict[str, float]:
    """Return median, 95th percentile and maximum."""
    if len(values) < 2:
        return {"changes": len(values)}
    return {
        "changes": len(values),
        "p50": round(statistics.median(values), 1),
        "p95": round(statistics.quantiles(values, n=20, method="inclusive")[-1], 1),
        "max": round(values[-1], 1),
    }


def refresh_once(sandbox: Sandbox[Any]) -> dict[str, Any]:
    """Refresh by the command line; return seconds, CPU and requests."""
    sandbox.requests.clear()
    before, began = os.times(), time.monotonic()
    command = [str(Path(sys.executable).with_name("pso")), "refresh"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = os.times()
    return {
        "seconds": round(time.monotonic() - began, 1),
        "cpu": round(sum(after[2:4]) - sum(before[2:4]), 1),
        "requests": len(sandbox.requests),
        "said": done.stdout.splitlines()[-1:] + done.stderr.splitlines()[-1:],
    }


def backfill(instance: DagsterInstance, port: int, meter: Meter) -> dict[str, Any]:
    """Materialize all partitions from the UI; return what that cost."""
    before, began = meter.cpu(), time.monotonic()
    launched = query_ui(port, BACKFILL)[1]["launchPartitionBackfill"]
    identifier = launched["backfillId"]

    def status() -> str:
        found = instance.get_backfill(identifier)
        return found.status.value if found else "UNKNOWN"

    wait_until(lambda: status() not in {"REQUESTED", "UNKNOWN"}, 900)
    runs = instance.get_runs(RunsFilter(tags={"dagster/backfill": identifier}))
    return {
        "status": status(),
        "seconds": round(time.monotonic() - began, 1),
        "runs": len(runs),
        "cpu of runs": round(meter.cpu()["run"] - before["run"], 1),
    }


def revoke(sandbox: Sandbox[Any], token: str, webhook: Webhook, port: int) -> dict[str, Any]:
    """Refuse one token for a while; return when the UI and the alert showed that, and the recovery."""
    figures: dict[str, Any] = {}
    sandbox.faults.add(Answer(401), times=None, when=lambda body: body["AccessToken"] == token)
    began = time.time()
    figures["red after"] = round(wait_until(lambda: failed_partitions(port), 300), 1)
    figures["red"] = failed_partitions(port)
    wait_until(lambda: webhook.alerts, 300)
    figures["alert after"] = round(webhook.alerts[0][0] - began, 1)
    time.sleep(max(0.0, began + REVOKED_SECONDS - time.time()))
    sandbox.faults.clear()
    ended = time.time()
    figures["green again after"] = round(wait_until(lambda: not failed_partitions(port), 300), 1)
    wait_until(lambda: len(webhook.alerts) > 1, 300)
    figures["recovery alert after"] = round(webhook.alerts[-1][0] - ended, 1)
    return figures


def measure(options: argparse.Namespace, folder: Path, figures: dict[str, Any]) -> None:
    """Serve the hotels, run Dagster, and collect the figures."""
    clock, webhook = Clock(), Webhook()
    world = busy_world(options.hotels, options.hotels * ORDERS_PER_HOTEL, options.orders_a_minute, clock)
    clock.freeze()  # nothing changes until the watch begins
    figures |= {"hotels": options.hotels, "orders": world.count_orders()}
    with serve(world, requests_per_window=None if options.lift_limit else 200) as sandbox:
        tokens = [world.access_token]
        if options.own_tokens:
            tokens = [world.enterprise_token(number) for number in range(options.hotels)]
        os.environ.update(
            MEWS_PLATFORM_ADDRESS=sandbox.address,
            MEWS_CLIENT_TOKEN=world.client_token,
            MEWS_ACCESS_TOKENS=",".join(tokens),
            MEWS_REQUESTS_PER_WINDOW="100000" if options.lift_limit else "200",
            PSO_WAREHOUSE=str(folder / "warehouse.duckdb"),
            PSO_BI_DIR=str(folder / "bi"),
            PSO_ALERT_WEBHOOK=webhook.address,
        )
        prepare_dagster_home(folder / "dagster")
        with dagster_dev(folder) as (process, port), DagsterInstance.get() as instance:
            meter = Meter(process)
            figures |= first_load(options.hotels, instance, sandbox, meter)
            figures["quiet refresh"] = refresh_once(sandbox)
            sandbox.requests.clear()
            time.sleep(30)
            figures["requests of 30 quiet seconds"] = len(sandbox.requests)
            figures["partition statuses by GraphQL, seconds"] = [
                round(query_ui(port, STATUSES)[0], 2) for _ in range(3)
            ]
            if options.browser:
                figures["partitions page in a browser, seconds"] = page_seconds(port)
            if options.backfill:
                figures["backfill of all partitions"] = backfill(instance, port, meter)
            clock.resume()
            refuse = partial(revoke, sandbox, tokens[options.hotels // 2], webhook, port) if options.revoke else None
            figures |= watch(options, Watcher(folder / "bi"), sandbox, meter, refuse)
            figures["memory in MB"] = {"now": meter.last_mb, "peak": meter.peak_mb}
            figures["alerts"] = [(body["event"], body["partition_key"], body["reason"]) for _, body in webhook.alerts]
            figures["runs"] = dict(Counter(run.status.value for run in instance.get_runs()))
            kept = (file.stat().st_size for file in (folder / "dagster").rglob("*") if file.is_file())
            figures["Dagster's storage in MB"] = round(sum(kept) / 1e6, 1)


def first_load(hotels: int, instance: DagsterInstance, sandbox: Sandbox[Any], meter: Meter) -> dict[str, Any]:
    """Wait until all hotels are discovered, read and published; return the figures."""
    discovered = first_load_is_over(hotels, instance)
    record = instance.get_run_records(limit=1, ascending=True)[0]
    return {
        "discovered after the start of dagster dev, seconds": round(discovered, 1),
        "first load": {
            "status": record.dagster_run.status.value,
            "seconds": round((record.end_time or 0) - (record.start_time or 0), 1),
            "cpu": meter.cpu().get("run"),
            "requests": len(sandbox.requests),
        },
    }


def first_load_is_over(hotels: int, instance: DagsterInstance) -> float:
    """Wait until all hotels are read and published; return the seconds until they were discovered."""
    name = str(ENTERPRISE_PARTITIONS.name)
    discovered = wait_until(lambda: len(instance.get_dynamic_partitions(name)) == hotels, 600)
    wait_until(lambda: len(instance.get_materialized_partitions(METRICS)) == hotels, 1800)
    wait_until(lambda: not instance.get_runs(RunsFilter(statuses=UNFINISHED)), 1800)
    return discovered


def watch(
    options: argparse.Namespace,
    watcher: Watcher,
    sandbox: Sandbox[Any],
    meter: Meter,
    refuse: Callable[[], dict[str, Any]] | None,
) -> dict[str, Any]:
    """Let orders change for a while; return how long the snapshot took to show it, and the cost."""
    time.sleep(20)  # what changed while the clock stood still has arrived by then
    cpu_before, since = meter.cpu(), time.time()
    changed_since = int(since)
    sandbox.requests.clear()
    figures: dict[str, Any] = {}
    if refuse:
        figures["revoked token"] = refuse()
    time.sleep(max(0.0, since + options.minutes * 60 - time.time()))
    changed_until = int(time.time())
    time.sleep(options.last_wait)
    watcher.stop()
    seconds = time.time() - since
    spent = meter.cpu()
    return figures | {
        "seconds from change to snapshot": percentiles(watcher.latencies(changed_since, changed_until)),
        "watched for seconds": round(seconds),
        "publications": watcher.publications,
        "requests a minute": round(len(sandbox.requests) * 60 / seconds, 1),
        "busiest 30 s of a token": max(sandbox.requests.busiest().values()),
        "cpu seconds of": {kind: round(spent[kind] - cpu_before.get(kind, 0.0), 1) for kind in spent},
    }


def page_seconds(port: int) -> list[float]:
    """Open the partitions page in Chromium, twice; return the seconds until partitions and their states are shown."""
    seconds = []
    with chromium() as browser:
        for _ in range(2):
            page = browser.new_page()
            began = time.monotonic()
            page.goto(f"http://127.0.0.1:{port}/assets/product_service_orders?view=partitions", wait_until="commit")
            page.get_by_text(re.compile(r"^Materialized \([\d,]*[1-9]")).first.wait_for(timeout=60_000)
            seconds.append(round(time.monotonic() - began, 2))
            page.close()
    return seconds


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hotels", type=int, default=50)
    parser.add_argument("--own-tokens", action="store_true", help="a token for each hotel instead of one for all")
    parser.add_argument("--orders-a-minute", type=float, default=5.0, help="new orders a minute at the source")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to watch")
    parser.add_argument("--last-wait", type=float, default=60.0, help="seconds for the last changes to arrive")
    parser.add_argument("--revoke", action="store_true", help="refuse the token of one hotel for a minute")
    parser.add_argument("--lift-limit", action="store_true", help="neither serve nor keep the limit of requests")
    parser.add_argument("--backfill", action="store_true", help="materialize all partitions from the UI as well")
    parser.add_argument("--browser", action="store_true", help="time the partitions page in Chromium")
    parser.add_argument("--folder", type=Path, help="where everything is put; a temporary folder unless given")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        figures: dict[str, Any] = {}
        stack.callback(lambda: sys.stdout.write(json.dumps(figures, indent=2) + "\n"))
        measure(options, folder.absolute(), figures)


if __name__ == "__main__":
    main()
