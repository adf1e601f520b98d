"""The charts of the report, compiled and committed: what a browser needs to draw them.

Holds `vega.js` (Vega and Vega-Embed as one script) and `charts.json` (the Vega specification of each kind of chart).
Both files are generated: change `charts.py` next to this folder, then run `python -m pso_pipeline.bi.report.charts`.
What the charts look like stays out.
"""

import functools
from importlib.resources import files
from typing import Any

import msgspec


class CompiledCharts(msgspec.Struct, frozen=True):
    """Vega as a script for a browser, and the charts that it draws.

    `specifications` are Vega's, by the name of the kind of chart on the page; `font` is the font of the charts.
    """

    vega: str
    font: str
    specifications: dict[str, Any]


@functools.cache
def load_charts() -> CompiledCharts:
    """Read the compiled charts of this package, once for each process."""
    folder = files(__name__)
    charts = msgspec.json.decode(folder.joinpath("charts.json").read_bytes())
    return CompiledCharts(vega=folder.joinpath("vega.js").read_text(encoding="utf-8"), **charts)
