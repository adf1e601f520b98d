"""A headless Chromium for tests: the one installed on the machine."""

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
QUIET = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start the machine's Chromium; fails without one, since a skipped test proves nothing."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    assert path, "these tests drive a real Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()
