"""The page: `docs/performance.md` with its pictures, from the results of measurements and the notes beside this file.

Figures stand in the results alone; what explains them is `notes.md`, which people write.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import altair as alt
import pandas as pd

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
NAMES = {
    "floor": "floor: httpx alone, one insert",
    "ours": "pso_pipeline, with Dagster",
    "script": "plain script",
    "singer": "Singer SDK, target-duckdb",
    "pyairbyte": "PyAirbyte",
    "dlt": "dlt rest_api",
}
TOOLS = ("singer", "pyairbyte", "dlt")
STEPS = ("land", "derive", "publish")
REFRESHES = ("first refresh", "quiet refresh", "refresh, 1000 changed", "refresh, 1 % changed")
NOT_MEASURED = "not measured"
MILLION = 1_000_000

Costs = Mapping[str, Mapping[str, float]]


def main(path: Path) -> None:
    """Write the page and its pictures."""
    results = json.loads(path.read_text(encoding="utf-8"))
    sections = {name: section["costs"] for name, section in results.items()}
    DOCS.joinpath("images").mkdir(parents=True, exist_ok=True)
    DOCS.joinpath("performance.md").write_text("\n".join(_page(results, sections)), encoding="utf-8")


def _page(results: Mapping[str, Mapping[str, str]], sections: Mapping[str, Costs]) -> Iterator[str]:
    yield "# Performance"
    yield ""
    yield "What the pipeline costs, beside the least that the same work can cost and beside other tools on the same"
    yield "server. Written by `make bench` from `benchmarks/results/`; `make bench ARGS=--quick` takes small sizes."
    yield ""
    yield "CPU is user and system time of all processes but the sandbox's. The machine had other work to do, so trust"
    yield "ratios within one table, not seconds. Orders are some 750 bytes of JSON each."
    yield ""
    for name, section in results.items():
        yield f"- `{name}`: {section['measured']}, {section['machine']}"
    yield from ["", "## Targets", "", "| target | measured | met |", "| --- | --- | --- |"]
    for target, measured, is_met in _targets(sections):
        yield f"| {target} | {measured} | {'' if is_met is None else 'yes' if is_met else '**no**'} |"
    yield ""
    yield from _peers(sections.get("peers", {}))
    yield from _cheapest_peers(sections.get("cheapest peers", {}))
    yield from _growth(sections.get("orders", {}))
    yield from _readers(sections.get("readers", {}))
    yield from _enterprises(sections.get("enterprises", {}))
    yield from _start_up(sections.get("start-up", {}))
    yield HERE.joinpath("notes.md").read_text(encoding="utf-8")


Target = tuple[str, str, bool | None]


def _targets(sections: Mapping[str, Costs]) -> Iterator[Target]:
    orders, start = (sections.get(name, {}) for name in ("orders", "start-up"))
    peers = sections.get("cheapest peers") or sections.get("peers", {})
    sizes = _sizes(orders)
    for size in (size for size in sizes if size >= MILLION):
        yield _ratio(
            f"first load of {size:,} orders, Dagster included: at most 3 times the floor's CPU",
            orders.get(f"{size} land", {}).get("cpu"),
            orders.get(f"{size} floor", {}).get("step_cpu"),
            3,
        )
    best = min((peers[name]["cpu"] for name in TOOLS if name in peers), default=None)
    ours = peers.get("ours", {}).get("cpu")
    count = f"{peers['ours']['orders']:,.0f} orders" if ours else "orders"
    name = f"first load of {count}: at least 10 times less CPU than the best of the tools"
    yield (name, f"{best / ours:.1f} times", best / ours >= 10) if best and ours else (name, NOT_MEASURED, None)
    at_most = "at 5 million orders: at most 500 MB"
    yield _at_most(f"memory of each step {at_most}", _memory(orders, 5 * MILLION, STEPS), 500, "MB")
    yield _at_most(f"memory of whole refreshes {at_most}", _memory(orders, 5 * MILLION, REFRESHES), 500, "MB")
    yield _ratio(
        "memory of each step at 5 million within 15 % of that at 1 million",
        _memory(orders, 5 * MILLION, STEPS),
        _memory(orders, MILLION, STEPS),
        1.15,
    )
    hotels = sections.get("enterprises", {})
    quiet, idle = hotels.get("3500 quiet refresh", {}), hotels.get("3500 start", {})
    four = "quiet refresh of 3,500 hotels with 4 services each"
    yield _at_most(f"{four}: at most 20 requests", quiet.get("requests"), 20, "requests")
    beyond = quiet["cpu"] - idle["cpu"] if quiet and idle else None
    yield _at_most(f"{four}: at most 5 s of CPU beyond Dagster's start", beyond, 5, "s")
    later = hotels.get("3500 quiet refresh, each 15 minutes later", {})
    beyond = later["cpu"] - idle["cpu"] if later and idle else None
    yield _at_most("and 15 minutes after the one before, when time alone has moved the metrics", beyond, 5, "s")
    each = [_cpu_of_each(orders, size) for size in (5 * MILLION, 100_000)]
    yield _ratio(
        "refresh with 1 % changed: CPU of each changed order among 5 million stored and 100,000: at most 2 times",
        *each,
        2,
    )
    changed = [orders.get(f"{size} refresh, 1000 changed", {}).get("cpu") for size in (5 * MILLION, 100_000)]
    yield _ratio("and of the same 1,000 changes, in 500 hotels and in 10: at most 2 times", changed[0], changed[1], 2)
    five = 5 * MILLION
    yield _wall("marts of 5 million orders from nothing: under 60 s", orders.get(f"{five} derive"), 60)
    yield _wall(
        "marts of one hotel of 10,000 among 5 million: under 2 s", orders.get(f"{five} derive one enterprise"), 2
    )
    yield _wall("publishing 5 million orders: under 30 s", orders.get(f"{five} publish"), 30)
    asked = sections.get("readers", {})
    yield _ratio(
        "a dashboard's queries while 5 million orders are published, beside the same where both cores are busy anyway: "
        "no slower, within 10 %",
        asked.get(f"{five} while publishing", {}).get("wall"),
        asked.get(f"{five} both cores busy", {}).get("wall"),
        1.1,
    )
    yield _wall("`pso --help`: under 0.5 s", start.get("pso --help"), 0.5)
    yield _wall("code location load: under 5 s", start.get("load the code location"), 5)


def _ratio(name: str, over: float | None, under: float | None, limit: float) -> Target:
    if not over or not under:
        return name, NOT_MEASURED, None
    return name, f"{over / under:.2f} times", over / under <= limit


def _at_most(name: str, value: float | None, limit: float, unit: str) -> Target:
    return (name, NOT_MEASURED, None) if value is None else (name, f"{value:,.1f} {unit}", value <= limit)


def _wall(name: str, cost: Mapping[str, float] | None, limit: float) -> Target:
    """Judge by the CPU that the step took: on a machine with other work the clock tells about that work."""
    if not cost:
        return name, NOT_MEASURED, None
    cpu, wall = (cost["step_cpu"], cost["step_wall"]) if cost["step_cpu"] else (cost["cpu"], cost["wall"])
    return name, f"{cpu:.2f} s of CPU, {wall:.1f} s on the wall of a busy machine", min(cpu, wall) <= limit


def _cpu_of_each(orders: Costs, size: int) -> float | None:
    """CPU of a refresh with 1 % changed, for each order that did."""
    refreshed = orders.get(f"{size} refresh, 1 % changed")
    return refreshed["cpu"] / refreshed["orders"] if refreshed and refreshed["orders"] else None


def _memory(orders: Costs, size: int, steps: Sequence[str]) -> float | None:
    peaks = [orders[f"{size} {step}"]["memory"] for step in steps if f"{size} {step}" in orders]
    return max(peaks) if len(peaks) == len(steps) else None


def _sizes(orders: Costs) -> list[int]:
    return sorted({int(name.split(" ", 1)[0]) for name in orders})


def _peers(costs: Costs) -> Iterator[str]:
    if not costs:
        return
    yield "## Beside other tools"
    yield ""
    yield f"The first load of the same {costs['ours']['orders']:,.0f} orders from the same server into a DuckDB file."
    yield ""
    yield from _peers_table(costs)
    rows = [
        {"tool": label, "CPU µs an order": _cpu(name, costs[name]) / costs["ours"]["orders"] * 1e6}
        for name, label in NAMES.items()
        if name in costs
    ]
    yield "![CPU an order, by tool](images/performance-tools.png)"
    yield ""
    chart = (
        alt.Chart(pd.DataFrame(rows), title="CPU for each order of a first load (µs)")
        .mark_bar(color="#3b6ea5")
        .encode(
            x=alt.X("CPU µs an order:Q", title=None),
            y=alt.Y("tool:N", sort=list(NAMES.values()), title=None, axis=alt.Axis(labelLimit=260)),
        )
        .properties(width=520)
    )
    text = chart.mark_text(align="left", dx=4).encode(text=alt.Text("CPU µs an order:Q", format=",.0f"))
    (chart + text).save(str(DOCS / "images" / "performance-tools.png"), scale_factor=2)


def _cheapest_peers(costs: Costs) -> Iterator[str]:
    if not costs:
        return
    yield f"And of {costs['ours']['orders']:,.0f} orders, where no start counts, by the cheapest of them:"
    yield ""
    yield from _peers_table(costs)


def _peers_table(costs: Costs) -> Iterator[str]:
    yield "| | CPU µs an order | CPU s | peak MB | times ours |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, label in NAMES.items():
        if name not in costs:
            continue
        cpu = _cpu(name, costs[name])
        each = cpu / costs["ours"]["orders"] * 1e6
        memory = "" if name == "floor" else f"{costs[name]['memory']:,.0f}"
        yield f"| {label} | {each:,.1f} | {cpu:.1f} | {memory} | {cpu / costs['ours']['cpu']:.2f} |"
    yield ""


def _cpu(name: str, cost: Mapping[str, float]) -> float:
    return cost["step_cpu"] if name == "floor" else cost["cpu"]


def _growth(costs: Costs) -> Iterator[str]:
    if not costs:
        return
    rows = []
    yield "## As the orders grow"
    yield ""
    yield "CPU and time without the start of the process; 10,000 orders to a hotel."
    yield ""
    yield "| step | orders read | CPU s | CPU s with start | seconds | peak MB | requests | MB received |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name in sorted(costs, key=lambda each: int(each.split(" ", 1)[0])):
        size, step = name.split(" ", 1)
        cost = costs[name]
        counts = f"{cost['requests']:,} | {cost['received_bytes'] / 1e6:,.1f}"
        cpu = f"{cost['step_cpu']:.2f} | {cost['cpu']:.2f} | {cost['step_wall']:.1f}"
        yield f"| {int(size):,}: {step} | {cost['orders']:,} | {cpu} | {cost['memory']:,.0f} | {counts} |"
        if step in {"land", "derive", "publish", "floor"}:
            each = cost["step_cpu"] / int(size) * 1e6
            rows.append({"orders": int(size), "step": step, "CPU µs an order": each, "peak MB": cost["memory"]})
    yield ""
    if len(_sizes(costs)) < 2:
        return
    yield "![CPU an order and memory, by orders](images/performance-growth.png)"
    yield ""
    frame = pd.DataFrame(rows)
    base = alt.Chart(frame).encode(
        x=alt.X("orders:Q", scale=alt.Scale(type="log"), axis=alt.Axis(format="~s")), color=alt.Color("step:N")
    )
    pictures = [
        base.mark_line(point=True)
        .encode(y=alt.Y("CPU µs an order:Q", scale=alt.Scale(type="log")))
        .properties(width=320, title="CPU for each order (µs, without start)"),
        base.transform_filter("datum.step != 'floor'")
        .mark_line(point=True)
        .encode(y="peak MB:Q")
        .properties(width=320, title="Peak resident memory (MB)"),
    ]
    alt.hconcat(*pictures).save(str(DOCS / "images" / "performance-growth.png"), scale_factor=2)


def _readers(costs: Costs) -> Iterator[str]:
    if not costs:
        return
    yield "## For whoever reads meanwhile"
    yield ""
    yield "Three dashboard queries over the snapshot, each round through a new connection with one thread; medians."
    yield ""
    yield "| orders: what goes on | rounds | CPU s | seconds |"
    yield "| --- | ---: | ---: | ---: |"
    for name, cost in costs.items():
        size, what = name.split(" ", 1)
        yield f"| {int(size):,}: {what} | {cost['orders']} | {cost['cpu']:.3f} | {cost['wall']:.3f} |"
    yield ""


def _enterprises(costs: Costs) -> Iterator[str]:
    if not costs:
        return
    yield "## As the hotels grow"
    yield ""
    yield "70,000 orders in all, 4 services to a hotel where nothing is said; complete refreshes, Dagster included."
    yield ""
    yield "| hotels: what | CPU s | CPU s beyond an idle job | peak MB | requests | MB received |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name, cost in costs.items():
        hotels, what = name.split(" ", 1)
        beyond = cost["cpu"] - costs[f"{hotels} start"]["cpu"]
        counts = f"{cost['requests']:,} | {cost['received_bytes'] / 1e6:,.1f}"
        yield f"| {int(hotels):,}: {what} | {cost['cpu']:.2f} | {beyond:.2f} | {cost['memory']:,.0f} | {counts} |"
    yield ""


def _start_up(costs: Costs) -> Iterator[str]:
    if not costs:
        return
    yield from ["## Before anything is done", "", "| | CPU s | seconds | peak MB |", "| --- | ---: | ---: | ---: |"]
    for name, cost in costs.items():
        yield f"| {name} | {cost['cpu']:.2f} | {cost['wall']:.2f} | {cost['memory']:,.0f} |"
    yield ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
