"""The command: measure, keep the results, write the page.

    python -m benchmarks [--quick] [--row NAME]… [--page-only]

Each row replaces its own part of `benchmarks/results/latest.json` (`quick.json` with `--quick`), so that a long run may
be made in parts. `docs/performance.md` is written from the results at the end.
"""

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.rows import QUICK, REPOSITORY, ROWS, WHOLE, Size

RESULTS = Path(__file__).parent / "results"


@click.command()
@click.option("--quick", is_flag=True, help="Small sizes, once each: minutes. The page shows them as quick.")
@click.option("--row", "names", multiple=True, type=click.Choice(list(ROWS)), help="Only this row; repeatable.")
@click.option("--page-only", is_flag=True, help="Measure nothing; write the page from earlier results.")
def main(quick: bool, names: tuple[str, ...], page_only: bool) -> None:
    """Measure what the pipeline costs, next to the floor and to other tools."""
    path = RESULTS / ("quick.json" if quick else "latest.json")
    if not page_only:
        for name in names or ROWS:
            _measure(name, QUICK if quick else WHOLE, path)
    # in a process of its own: what it imports would count as memory of every measured child
    subprocess.run([sys.executable, "-m", "benchmarks.page", str(path)], cwd=REPOSITORY, check=True)


def _measure(row: str, size: Size, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    costs: dict[str, dict[str, float]] = {}
    for name, cost in ROWS[row](size):
        costs[name] = {key: round(value, 3) for key, value in asdict(cost).items()}
        click.echo(
            f"{row}: {name}: {cost.cpu:.2f} s of CPU ({cost.step_cpu:.2f} without start), {cost.wall:.1f} s, "
            f"{cost.memory:.0f} MB, {cost.orders:,} orders, {cost.requests:,} requests"
        )
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    results[row] = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "size": asdict(size),
        "costs": costs,
    }
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
