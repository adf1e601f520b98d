"""A report opened in a browser."""

from pathlib import Path

from playwright.sync_api import BrowserContext


class Report:
    """One opened report, and everything that it asked for or complained about."""

    def __init__(self, context: BrowserContext, path: Path) -> None:
        self.address = path.as_uri()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page = context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(self.address)

    def wait(self) -> "Report":
        """Wait until everything is drawn."""
        self.page.wait_for_selector("body[data-shown]", timeout=30_000)
        return self

    def select(self, **choices: str) -> None:
        """Choose in filters, by label, and wait until the page shows it."""
        for identifier, label in choices.items():
            if identifier in {"from", "to"}:
                self._choose("period", "Choose months")
            self._choose(identifier, label)

    def _choose(self, identifier: str, label: str) -> None:
        before = self.page.get_attribute("body", "data-shown")
        if identifier == "hotel":
            name = "" if label.startswith("All hotels") else label
            if self.page.input_value("#hotel") == name:
                return
            self.page.fill("#hotel", name)
            self.page.press("#hotel", "Tab")
        elif self.text(f"#{identifier} option:checked") == label:
            return
        else:
            self.page.select_option(f"#{identifier}", label=label)
        self.page.wait_for_function("before => document.body.dataset.shown !== before", arg=before)

    def go(self, state: str) -> None:
        """Go to a state of the page, by what follows the `#` of its address, and wait until the page shows it."""
        self.page.evaluate("state => { document.body.removeAttribute('data-shown'); location.hash = state; }", state)
        self.wait()

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def rows(self, selector: str) -> list[list[str]]:
        """Give the texts of a table's cells, row by row, also where the table is folded."""
        cells = "rows => rows.map(row => [...row.cells].map(cell => cell.innerText || cell.textContent))"
        found: list[list[str]] = self.page.locator(f"{selector} tbody tr").evaluate_all(cells)
        return found

    def edges(self, selector: str, name: str) -> list[float]:
        """Give one measure (right, width, …) of the box of each element, in pixels."""
        script = "(elements, name) => elements.map(element => element.getBoundingClientRect()[name])"
        found: list[float] = self.page.locator(selector).evaluate_all(script, name)
        return found
