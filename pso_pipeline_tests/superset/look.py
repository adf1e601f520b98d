"""The dashboard in a headless Chromium: which charts are drawn, what its filters do, and pictures of it.

    python -m pso_pipeline_tests.superset.look http://127.0.0.1:8088 docs/images

takes the pictures of a Superset that `make superset` started.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from playwright.sync_api import Browser, Locator, Page, Request
from playwright.sync_api import TimeoutError as NotInTime

from pso_pipeline_tests.browser import chromium
from pso_pipeline_tests.superset.bundle import load_bundle

DASHBOARD = "/superset/dashboard/check-in-and-cancellation/"
WIDTH, WHOLE, SCREEN = 1600, 8000, 1000
"""The width of windows, and the height for most of the dashboard or a screenful: Superset draws what is in
view or near it, and Chromium no picture of more."""
MARGIN = 32
PATIENCE_MS = 180_000

DRAWN = """() => [...document.querySelectorAll('[data-test-viz-type]')].map(chart => ({
    title: chart.dataset.testChartName,
    drawn: !chart.querySelector('[data-test="loading-indicator"], .loading')
        && !!chart.querySelector('canvas, svg:not([role="img"]), table tbody tr, .header-line'),
    failure: [...chart.querySelectorAll('[role="alert"], .ant-alert, [data-test="chart-empty-state"], .ant-empty')]
        .map(each => each.innerText.trim()).join(' '),
}))"""
STEADY = f"""count => {{
    const charts = ({DRAWN})();
    const settled = charts.length === count && charts.every(chart => chart.drawn || chart.failure);
    window.timesSettled = settled ? (window.timesSettled ?? 0) + 1 : 0;
    return window.timesSettled >= 4;
}}"""
"""Filters change the layout after a first drawing, so the charts must be seen drawn several times in a row."""

PICTURES = {
    "superset.png": (None, "Time to cancel"),
    "superset-time-and-check-in.png": ("Time to cancel", "By hotel, service, origin and segment"),
    "superset-breakdowns.png": ("By hotel, service, origin and segment", "Value and the days ahead"),
    "superset-value.png": ("Value and the days ahead", None),
}
"""Each picture, from one heading of the dashboard to another."""


SCROLL = "first => window.scrollTo(0, first ? document.body.scrollHeight : 0)"
HEADINGS = """() => [...document.querySelectorAll('.dashboard-component-header')].map(
    heading => [heading.innerText.trim(), heading.getBoundingClientRect().top])"""
PLACES = """() => [...document.querySelectorAll('[data-test-viz-type]')].map(chart => {
    const { left, bottom } = chart.getBoundingClientRect();
    return { left, bottom };
})"""


class Visit:
    """A browser that has signed in to Superset, and every address outside it that its pages reached."""

    def __init__(self, browser: Browser, address: str, password: str) -> None:
        self.address = address
        self.reached: list[str] = []
        self.context = browser.new_context(viewport={"width": WIDTH, "height": SCREEN})
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.on("requestfinished", self._note)
        self.context.on("requestfailed", lambda request: None if request.failure == "csp" else self._note(request))
        page = self.context.new_page()
        page.goto(f"{address}/login/")
        page.fill("#username", "admin")
        page.fill("#password", password)
        page.press("#password", "Enter")
        page.wait_for_url("**/superset/welcome/**")
        page.close()

    def open(self, height: int) -> Page:
        """Open the dashboard in a window of that height."""
        page = self.context.new_page()
        page.set_viewport_size({"width": WIDTH, "height": height})
        page.goto(self.address + DASHBOARD)
        return page

    def _note(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme.startswith("http") and url.netloc != urlsplit(self.address).netloc:
            self.reached.append(request.url)


def wait_for_charts(page: Page, count: int) -> list[dict[str, Any]]:
    """Wait until so many charts are drawn or have failed, and return of each: `title`, `drawn`, words of a `failure`.

    Where that does not happen, say what is there.
    """
    with contextlib.suppress(NotInTime):
        page.wait_for_function(STEADY, arg=count, polling=500)
    charts: list[dict[str, Any]] = page.evaluate(DRAWN)
    return charts


def chart_on(page: Page, title: str) -> Locator:
    """Find a chart by its title."""
    return page.locator(f'[data-test-chart-name="{title}"]')


def apply_filters(page: Page, choices: Mapping[str, str]) -> None:
    """Choose one value in each of the named filters, as a person does."""
    for name, value in choices.items():
        heading = page.get_by_role("heading", name=name, exact=True)
        box = page.locator("[data-test='filter-bar'] .ant-form-item").filter(has=heading).get_by_role("combobox").first
        box.click()
        box.fill(value)
        page.locator(".ant-select-item-option").get_by_text(value, exact=True).click()
        page.keyboard.press("Escape")
    page.locator("[data-test='filter-bar__apply-button']").click()


def keep_pictures(page: Page, folder: Path) -> None:
    """Write the parts of the dashboard down as PNG."""
    for name, (first, last) in PICTURES.items():
        page.evaluate(SCROLL, first)
        wait_for_charts(page, len(load_bundle().charts))
        tops: dict[str | None, float] = dict(page.evaluate(HEADINGS))
        charts = page.evaluate(PLACES)
        left, top = (min(chart["left"] for chart in charts) - MARGIN, tops[first]) if first else (0, 0)
        bottom = tops[last] if last else max(chart["bottom"] for chart in charts) + MARGIN
        clip: Any = {"x": left, "y": top, "width": WIDTH - left, "height": bottom - top}
        page.screenshot(path=folder / name, clip=clip)


@click.command()
@click.argument("address")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--home", type=click.Path(path_type=Path), default=Path("data/superset"), help="Where Superset keeps its password."
)
def main(address: str, folder: Path, home: Path) -> None:
    """Take pictures of the dashboard of the Superset at ADDRESS."""
    with chromium() as browser:
        page = Visit(browser, address, (home / "password").read_text(encoding="ascii")).open(WHOLE)
        for chart in wait_for_charts(page, len(load_bundle().charts)):
            if chart["failure"] or not chart["drawn"]:
                click.echo(f"{chart['title']}: {chart['failure'] or 'not drawn'}", err=True)
        keep_pictures(page, folder)


if __name__ == "__main__":
    main()
