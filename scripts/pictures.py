"""Take the pictures of the report and of Dagster's web UI again: `make pictures`.

The sandbox has a fixed seed and a clock that stands still, so a picture changes only if the code does. The pictures of
Superset are taken by hand after `make superset`, because its environment takes minutes to install.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from unittest import mock

from playwright.sync_api import Browser, Page

from benchmarks.server import serving
from pso_pipeline.bi.folder import REPORT
from pso_pipeline.cli.refresh import run_refresh
from pso_pipeline.cli.serving import WORKSPACE, has_code_location
from pso_pipeline_tests.browser import chromium

IMAGES = Path(__file__).parents[1] / "docs/images"
ORDERS, HOTELS = 100_000, 5
START_SECONDS = 300
SETTLE_MILLISECONDS = 5_000
"""Time for the web UI to draw its graph, which nothing announces."""


def main() -> None:
    """Load the sandbox and take each picture."""
    with tempfile.TemporaryDirectory() as folder, serving(ORDERS, HOTELS) as server:
        home = Path(folder)
        os.environ.update(
            MEWS_PLATFORM_ADDRESS=server.address,
            MEWS_CLIENT_TOKEN=server.client_token,
            MEWS_ACCESS_TOKENS=server.access_token,
            PSO_WAREHOUSE=str(home / "warehouse.duckdb"),
            PSO_BI_DIR=str(home / "bi"),
            # the clock of the sandbox stands still, so its data look old
            PSO_STALE_AFTER_HOURS="8760",
        )
        with mock.patch("pso_pipeline.mews.responses.CLOCK_TOLERANCE", timedelta.max):
            if not run_refresh(home / "dagster"):
                sys.exit("the refresh failed: see the lines above")
        with chromium() as browser:
            take(browser, (home / "bi" / REPORT).as_uri(), "report.png", (1280, 1250))
            take(browser, (home / "bi" / REPORT).as_uri(), "report-days-ahead.png", (1280, 900), scroll_to_days_ahead)
            with web_ui(home) as address:
                take(browser, f"{address}/asset-groups", "dagster-assets.png", (1440, 900), expand_groups)


def take(
    browser: Browser, address: str, name: str, size: tuple[int, int], prepare: Callable[[Page], None] | None = None
) -> None:
    """Take a picture of a page."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")
    page.goto(address)
    if prepare:
        prepare(page)
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    page.screenshot(path=IMAGES / name)
    print(IMAGES / name)


def scroll_to_days_ahead(page: Page) -> None:
    """Show what is booked for the next days, below the filters, which stay in view."""
    page.wait_for_selector("body[data-shown]", timeout=START_SECONDS * 1000)
    page.locator("#ahead").evaluate("section => window.scrollTo(0, section.offsetTop - 90)")


def expand_groups(page: Page) -> None:
    """Show every asset of the lineage, and wait until their states are there."""
    page.get_by_text("1 asset").first.wait_for(timeout=START_SECONDS * 1000)
    page.keyboard.press("Alt+e")
    page.get_by_text("fetching").first.wait_for(state="detached", timeout=START_SECONDS * 1000)


@contextlib.contextmanager
def web_ui(home: Path) -> Iterator[str]:
    """Serve Dagster's web UI, without its daemon, until the block ends."""
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("dagster-webserver")
    environment = {**os.environ, "DAGSTER_HOME": str(home / "dagster")}
    arguments = [program, "-w", WORKSPACE, "-h", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(arguments, cwd=home, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + START_SECONDS
            while not has_code_location(port):
                if process.poll() is not None or time.monotonic() > end:
                    sys.exit("the web UI did not start")
                time.sleep(1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
