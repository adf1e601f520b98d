"""Open the dashboard in a headless Chromium, see that every chart is drawn, and keep a picture of it.

Run by Superset's own Python, which brings Selenium. Prints one JSON object: the titles of the charts that were drawn,
the words of every failure, and the addresses outside this machine that the page reached for.
"""

import argparse
import base64
import contextlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
DRAWN = """
    return [...document.querySelectorAll('[data-test-viz-type]')].map(chart => ({
        title: chart.dataset.testChartName,
        drawn: !chart.querySelector('[data-test="loading-indicator"], .loading')
            && !!chart.querySelector('canvas, svg:not([role="img"]), table tbody tr, .header-line'),
        failure: [...chart.querySelectorAll('[role="alert"], .ant-alert, [data-test="chart-empty-state"], .ant-empty')]
            .map(each => each.innerText.trim()).join(' '),
    }))
"""
PATIENCE_SECONDS = 180
STEADY = 4
"""How often in a row, twice a second, the charts must be seen drawn: filters lay the page out anew."""


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("address")
    arguments.add_argument("--charts", type=int, required=True)
    arguments.add_argument("--picture", type=Path)
    arguments.add_argument("--width", type=int, default=1600)
    arguments.add_argument("--height", type=int, default=4800)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as profile:
        driver = open_browser(profile, given.width, given.height)
        try:
            sign_in(driver, given.address)
            driver.get(f"{given.address}/superset/dashboard/check-in-and-cancellation/")
            charts = wait_for_charts(driver, given.charts)
            if given.picture:
                keep_picture(driver, given.picture)
            sys.stdout.write(json.dumps({"charts": charts, "reached": addresses_reached(driver, given.address)}))
        finally:
            driver.quit()


def open_browser(profile: str, width: int, height: int) -> Chrome:
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    return Chrome(options=options, service=Service(shutil.which("chromedriver")))


def sign_in(driver: Chrome, address: str) -> None:
    driver.get(f"{address}/login/")
    waiting = WebDriverWait(driver, PATIENCE_SECONDS)
    waiting.until(expected.element_to_be_clickable((By.ID, "username"))).send_keys("admin")
    driver.find_element(By.ID, "password").send_keys("admin\n")
    waiting.until(expected.url_contains("/superset/welcome"))


def wait_for_charts(driver: Chrome, count: int) -> list[dict[str, object]]:
    """Wait until every chart is drawn or has failed and stays so; where that does not happen, tell what is there."""
    seen: list[list[dict[str, object]]] = [[]]

    def settled(driver: Chrome) -> bool:
        seen.append(driver.execute_script(DRAWN))
        return len(seen) > STEADY and all(is_settled(charts, count) for charts in seen[-STEADY:])

    with contextlib.suppress(TimeoutException):
        WebDriverWait(driver, PATIENCE_SECONDS).until(settled)
    return seen[-1]


def is_settled(charts: list[dict[str, object]], count: int) -> bool:
    return len(charts) == count and all(chart["drawn"] or chart["failure"] for chart in charts)


def keep_picture(driver: Chrome, path: Path) -> None:
    """Write the page down to its last chart as PNG.

    Within the window: to capture beyond it changes its size for a moment, and Superset takes the charts away.
    """
    bottom = driver.execute_script("return document.querySelector('.grid-container').getBoundingClientRect().bottom")
    clip = {"x": 0, "y": 0, "width": driver.execute_script("return innerWidth"), "height": bottom, "scale": 1}
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": False, "clip": clip})
    path.write_bytes(base64.b64decode(taken["data"]))


def addresses_reached(driver: Chrome, address: str) -> list[str]:
    """List what was asked of other hosts and not refused by the page's own policy."""
    own = urlsplit(address).netloc
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked, refused = {}, set()
    for message in messages:
        parameters = message["params"]
        if message["method"] == "Network.requestWillBeSent":
            asked[parameters["requestId"]] = parameters["request"]["url"]
        elif message["method"] == "Network.loadingFailed" and parameters.get("blockedReason") == "csp":
            refused.add(parameters["requestId"])
    reached = {url for request, url in asked.items() if request not in refused}
    return sorted(url for url in reached if urlsplit(url).scheme.startswith("http") and urlsplit(url).netloc != own)


if __name__ == "__main__":
    main()
