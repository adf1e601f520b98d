"""The page: `docs/performance.md`, from the results of measurements and the notes next to this file.

Figures are in the results alone; what explains them is in `notes.md`, which people write. Add a target here for a new
row.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"

HEADINGS = {
    "first-load": "First load of {first_load:,} orders",
    "items": "First load of orders, alone and with their items ({first_load:,})",
    "memory": "Whole first refresh of {many:,} orders",
    "quiet-refresh": "Quiet refresh of {hotels:,} hotels with 4 services each",
    "lake": "Quiet refreshes of a file and of a lake on disk, alternately",
    "changes": "Refresh of 1,000 changed orders",
    "publication": "Publication of {many:,} orders",
    "marts": "Marts of {many:,} orders",
    "peers": "First load of {peers:,} orders, the start of each tool included",
    "readers": "A dashboard's queries over {many:,} orders, medians of a round",
    "start": "Start",
}
LABELS = {
    "ours": "pso_pipeline, with Dagster",
    "floor": "floor: httpx alone, one insert",
    "script": "plain script",
    "singer": "Singer SDK, target-duckdb",
    "pyairbyte": "PyAirbyte",
    "dlt": "dlt rest_api",
}
TOOLS = ("singer", "pyairbyte", "dlt")

Cost = Mapping[str, float]
Results = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One row of the targets: its name, the measured value and whether it is met; None without a measurement."""

    name: str
    measured: float | None
    limit: float
    unit: str
    is_minimum: bool = False

    def line(self) -> str:
        """Return the row in Markdown."""
        if self.measured is None:
            return f"| {self.name} | not measured | |"
        is_met = self.measured >= self.limit if self.is_minimum else self.measured <= self.limit
        return f"| {self.name} | {self.measured:,.1f} {self.unit} | {'yes' if is_met else '**no**'} |"


def main(path: Path) -> None:
    """Write the page."""
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    PAGE.write_text("\n".join(_page(results, is_quick=path.stem == "quick")), encoding="utf-8")


def _page(results: Results, *, is_quick: bool) -> Iterator[str]:
    yield "# Performance"
    yield ""
    yield "What the pipeline costs, next to the least that the same work can cost and to other tools."
    yield "`make bench` measures and writes this page; `make bench ARGS='--row marts'` measures one row again."
    if is_quick:
        yield ""
        yield "**These are results of `--quick`: small sizes, to which the targets do not apply.**"
    yield ""
    yield "CPU is user and system time of all processes but the sandbox's. The machine had other work to do, so trust"
    yield "ratios within one table, not seconds. Orders are about 750 bytes of JSON each."
    yield from ["", "## Targets", "", "| target | measured | met |", "| --- | --- | --- |"]
    yield from (target.line() for target in _targets({name: row["costs"] for name, row in results.items()}))
    yield ""
    for name, heading in HEADINGS.items():
        if name in results:
            yield from _table(heading.format(**results[name]["size"]), results[name])
    yield HERE.joinpath("notes.md").read_text(encoding="utf-8")


def _targets(rows: Mapping[str, Mapping[str, Cost]]) -> Iterator[Target]:
    def value(row: str, name: str, key: str = "cpu") -> float | None:
        return rows.get(row, {}).get(name, {}).get(key)

    load = rows.get("first-load", {})
    best = min((load[tool]["cpu"] for tool in TOOLS if tool in load), default=None)
    yield Target(
        "first load of 1 million orders, Dagster included: at most 4 times the CPU of the floor",
        _ratio(value("first-load", "ours"), value("first-load", "floor", "step_cpu")),
        4,
        "times",
    )
    yield Target(
        "and at least 8 times less CPU than the best other tool",
        _ratio(best, value("first-load", "ours")),
        8,
        "times",
        is_minimum=True,
    )
    yield Target(
        "peak memory of a first refresh of 5 million orders: at most 1,200 MB",
        value("memory", "default limit", "memory"),
        1_200,
        "MB",
    )
    yield Target(
        "and with `PSO_MEMORY_LIMIT=400MB`: it succeeds",
        value("memory", "PSO_MEMORY_LIMIT=400MB", "memory"),
        float("inf"),
        "MB",
    )
    for name, when in (("quiet refresh", ""), ("15 minutes later", ", 15 minutes later")):
        yield Target(
            f"quiet refresh of 3,500 hotels{when}: at most 20 requests",
            value("quiet-refresh", name, "requests"),
            20,
            "requests",
        )
        yield Target(
            f"quiet refresh of 3,500 hotels{when}: at most 5 s of CPU beyond Dagster's start",
            _difference(value("quiet-refresh", name), value("quiet-refresh", "start")),
            5,
            "s",
        )
    yield Target(
        "refresh of 1,000 changes among 5 million orders: at most 4 times the CPU of the same among 100,000",
        _ratio(value("changes", "5,000,000 orders"), value("changes", "100,000 orders")),
        4,
        "times",
    )
    yield Target(
        "publication of 5 million orders after changes in 2 of 25 months: at most 8 s of CPU",
        value("publication", "two months", "step_cpu"),
        8,
        "s",
    )
    yield Target(
        "marts of 5 million orders from nothing: at most 120 s of CPU",
        value("marts", "from nothing", "step_cpu"),
        120,
        "s",
    )
    yield Target(
        "a dashboard's queries during a publication, compared with a machine whose cores are busy: at most 1.1 times",
        _ratio(value("readers", "during a publication", "wall"), value("readers", "all cores busy", "wall")),
        1.1,
        "times",
    )


def _ratio(over: float | None, under: float | None) -> float | None:
    return over / under if over and under else None


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _table(heading: str, row: Mapping[str, Any]) -> Iterator[str]:
    yield from [f"## {heading}", "", f"Measured {row['measured'][:10]} on {row['machine']}.", ""]
    yield "| | CPU s | without start | seconds | peak MB | orders read | requests | MB received |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, cost in row["costs"].items():
        figures = (
            f"{cost['cpu']:.2f}",
            f"{cost['step_cpu']:.2f}" if cost["step_cpu"] else "",
            f"{cost['step_wall'] or cost['wall']:.1f}",
            f"{cost['memory']:,.0f}" if cost["memory"] else "",
            f"{cost['orders']:,}" if cost["orders"] else "",
            f"{cost['requests']:,}" if cost["requests"] else "",
            f"{cost['received_bytes'] / 1e6:,.1f}" if cost["received_bytes"] else "",
        )
        yield f"| {LABELS.get(name, name)} | {' | '.join(figures)} |"
    yield ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
