"""The command: measure, keep the results, write the page.

    python -m benchmarks [--quick] [--section NAME]… [--page-only]

Each section replaces its own part of `benchmarks/results/latest.json` (`quick.json` with `--quick`), measurement by
measurement, so that a long run may be made in parts. `docs/performance.md` is written from `latest.json` at the end.
"""

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.sections import QUICK, REPOSITORY, SECTIONS, WHOLE, Size

RESULTS = Path(__file__).parent / "results"


@click.command()
@click.option("--quick", is_flag=True, help="Small sizes, once each: minutes; the page shows them as quick.")
@click.option("--section", "names", multiple=True, type=click.Choice(list(SECTIONS)), help="Only this; repeatable.")
@click.option("--orders", multiple=True, type=click.IntRange(1), help="Other sizes of `orders` and `peers`.")
@click.option("--enterprises", multiple=True, type=click.IntRange(1), help="Other sizes of `enterprises`.")
@click.option("--page-only", is_flag=True, help="Measure nothing; write the page from what was measured.")
def main(
    quick: bool, names: tuple[str, ...], orders: tuple[int, ...], enterprises: tuple[int, ...], page_only: bool
) -> None:
    """Measure what the pipeline costs, beside the floor and beside other tools."""
    path = RESULTS / ("quick.json" if quick else "latest.json")
    size = QUICK if quick else WHOLE
    if orders:
        size = replace(size, orders=orders, peer_orders=max(orders))
    if enterprises:
        size = replace(size, enterprises=enterprises)
    chosen = {"orders": orders, "enterprises": enterprises}
    if not page_only:
        for name in names or SECTIONS:
            _measure(name, size, path, keeps_others=bool(chosen.get(name)))
    # in a process of its own: pandas and Altair in this one would count as memory of every measured child
    subprocess.run([sys.executable, "-m", "benchmarks.page", str(path)], cwd=REPOSITORY, check=True)


def _measure(section: str, size: Size, path: Path, *, keeps_others: bool) -> None:
    path.parent.mkdir(exist_ok=True)
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    costs = results.get(section, {}).get("costs", {}) if keeps_others else {}
    results[section] = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "costs": costs,
    }
    for name, cost in SECTIONS[section](size):
        costs[name] = {key: round(value, 3) for key, value in asdict(cost).items()}
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        click.echo(
            f"{section}: {name}: {cost.cpu:.2f} s CPU ({cost.step_cpu:.2f} without start), {cost.wall:.1f} s, "
            f"{cost.memory:.0f} MB, {cost.orders:,} orders, {cost.requests:,} requests"
        )


if __name__ == "__main__":
    main()
