"""What each kind of chart in the report looks like, written with Altair and given to the page as Vega specifications.

A chart holds no data: the page fills its data set `rows` again whenever a filter changes. Colours are the page's own
CSS variables, so that a chart follows dark mode and print. Each chart documents its rows; every row also has
`name`, `shown` and `basis`, the texts of its tooltip. Add a kind here, a place for it in `template/page.html` and its
rows in `template/page.js`.

Compile them after each change: `python -m pso_pipeline.bi.report.charts` writes the files in `compiled/`, which are
committed. It needs Altair and vl-convert, which are development packages; nothing that the pipeline runs imports this.
"""

import json
from pathlib import Path
from typing import Any, TypeAlias

import altair as alt
import vl_convert

from pso_pipeline.bi.palette import OUTCOMES

Chart: TypeAlias = Any
"""A chart of Altair, whose `mark_…` and `encode` carry no types."""

ROWS = "rows"
"""Name of the data set that the page fills."""

VEGA_LITE = ".".join(alt.SCHEMA_VERSION.split(".")[:2])
"""The version of Vega-Lite that Altair writes, as vl-convert names it."""

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
"""The font of the charts, and of the page."""

_MARK = "var(--mark)"
"""The colour of what a chart is about, which the page sets: that of cancellations for their rates, else the accent."""

_ACCENT, _CANCELED, _GREYED, _CARD = (
    "var(--accent)",
    "var(--canceled)",
    "var(--greyed)",
    "var(--card)",
)
_SERIES = tuple(f"var(--series-{number})" for number in range(1, 6))
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")

_TOOLTIP = [
    alt.Tooltip("name:N", title="For"),
    alt.Tooltip("shown:N", title="Figure"),
    alt.Tooltip("basis:N", title="Counted"),
]
# a month comes as 2026-01; the more there are, the fewer bear a label: all, quarters, half-years
_MONTH_AXIS = alt.Axis(
    title=None,
    labelAngle=0,
    labelOverlap="greedy",
    labelSeparation=4,
    labelExpr=(
        "[length(domain('x')) <= 13 || indexof(['01', '07'], substring(datum.value, 5, 7)) >= 0 || "
        "(length(domain('x')) <= 30 && indexof(['04', '10'], substring(datum.value, 5, 7)) >= 0) "
        "? utcFormat(utc(2000, +substring(datum.value, 5, 7) - 1), '%b') : '', "
        "substring(datum.value, 5, 7) === '01' || (datum.index === 0 && length(domain('x')) <= 13) "
        "? substring(datum.value, 0, 4) : '']"
    ),
    ticks=False,
)
_LABEL_LIMIT = alt.ExprRef("containerSize()[0] < 600 ? 150 : 260")
_SHARE_AXIS = alt.Axis(title=None, format=".0%", tickCount=5)


def specifications() -> dict[str, dict[str, Any]]:
    """Compile every kind of chart to a Vega specification, by its name on the page."""
    kinds = {
        "months": months(),
        "curve": curve(),
        "durations": durations(),
        "outcomes": outcomes(),
        "bars": bars(),
        "spark": spark(),
        "weekly-orders": weekly(_ACCENT),
        "weekly-cancellations": weekly(_CANCELED),
    }
    return {
        name: vl_convert.vegalite_to_vega(_themed(chart).to_dict(), vl_version=VEGA_LITE)
        for name, chart in kinds.items()
    }


def months() -> Chart:
    """Draw a rate by month, so that months which are not complete cannot be taken for a fall.

    Rows of `kind` `month` hold `month`, `rate` (null where nothing is old enough), `is_complete` and `look`: complete,
    incomplete or small; small ones `low` and `high` too. Rows of `kind` `line` hold `month`, `rate` and `stretch`:
    complete or incomplete. Every month that is not complete is shaded.
    """
    base = alt.Chart().encode(x=alt.X("month:O", axis=_MONTH_AXIS, scale=alt.Scale(paddingInner=0)))
    each = base.transform_filter("datum.kind === 'month'")
    return alt.layer(
        each.transform_filter("!datum.is_complete").mark_rect(color="var(--shade)", opacity=1),
        _line(base.transform_filter("datum.kind === 'line'")).encode(color=alt.value(_MARK), strokeDash=_dashes()),
        _whiskers(each),
        _points(each.transform_filter("isValid(datum.rate)")),
    ).properties(height=240, width="container", data=alt.NamedData(ROWS))


def curve() -> Chart:
    """Draw the share of canceled orders by their age, one line for each series.

    Rows hold `series`, `place` (0 to 4, the series' colour and shape), `days` and `rate`. Ages are spaced by their
    square root. Shapes distinguish the series where colours do not: to one in twelve men, and in print.
    """
    by_place = alt.EncodingSortField("place", op="min")
    legend = alt.Legend(title=None, orient="top", columns=alt.ExprRef("width < 420 ? 3 : 5"))
    color = alt.Color("series:N", scale=alt.Scale(range=list(_SERIES)), sort=by_place, legend=legend)
    shape = alt.Shape("series:N", scale=alt.Scale(range=list(_SHAPES)), sort=by_place, legend=legend)
    base = alt.Chart().encode(
        x=alt.X(
            "days:Q",
            scale=alt.Scale(type="sqrt", nice=False),
            axis=alt.Axis(title="Days since the order was created", values=[0, 1, 7, 30, 90, 180, 365], grid=True),
        ),
        detail="series:N",
    )
    points = base.mark_point(size=45, filled=True, opacity=1)
    return (
        alt.layer(
            _line(base).encode(color=color.legend(None)),
            points.encode(y="rate:Q", color=color, shape=shape, tooltip=_TOOLTIP),
        )
        # one legend for colours and shapes together, which a scale shared with the lines would split
        .resolve_scale(color="independent", shape="independent")
        .properties(height=280, width="container", data=alt.NamedData(ROWS))
    )


def durations() -> Chart:
    """Draw how many cancellations came after how long; rows hold `place` (their order), `label` and `share`."""
    return (
        alt.Chart()
        .mark_bar(color=_CANCELED, cornerRadiusEnd=2)
        .encode(
            x=alt.X(
                "label:O",
                sort=alt.EncodingSortField("place", op="min"),
                axis=alt.Axis(
                    title="Time since the order was created, up to",
                    labelAngle=0,
                    labelOverlap="greedy",
                    labelSeparation=6,
                ),
                scale=alt.Scale(paddingInner=0.15),
            ),
            y=alt.Y("share:Q", axis=_SHARE_AXIS),
            tooltip=_TOOLTIP,
        )
        .properties(height=220, width="container", data=alt.NamedData(ROWS))
    )


def outcomes() -> Chart:
    """Draw what became of each month's orders; rows hold `month`, `outcome`, `place` (0 at the bottom) and `share`."""
    return (
        alt.Chart()
        .mark_bar()
        .encode(
            x=alt.X("month:O", axis=_MONTH_AXIS, scale=alt.Scale(paddingInner=0.15)),
            y=alt.Y("share:Q", axis=_SHARE_AXIS, scale=alt.Scale(domain=[0, 1]), stack="zero"),
            color=alt.Color(
                "outcome:N",
                scale=alt.Scale(
                    domain=list(OUTCOMES),
                    range=[f"var(--{colour})" for colour in OUTCOMES.values()],
                ),
                legend=alt.Legend(title=None, orient="top", symbolType="square"),
            ),
            order=alt.Order("place:O"),
            tooltip=_TOOLTIP,
        )
        .properties(height=240, width="container", data=alt.NamedData(ROWS))
    )


def bars() -> Chart:
    """Draw a rate of several groups, each with its interval.

    Rows hold `place` (their order), `label`, `rate`, `low`, `high`, `figure` (the rate as a text), `look`: complete
    or small, and `median`, which is marked; null where nothing is.
    """
    base = alt.Chart().encode(
        y=alt.Y(
            "label:N",
            sort=alt.EncodingSortField("place", op="min"),
            axis=alt.Axis(title=None, labelLimit=_LABEL_LIMIT, ticks=False, domain=False),
        ),
        tooltip=_TOOLTIP,
    )
    # the texts of the figures are in the last pixels
    rate = alt.X("rate:Q", axis=None, stack=False, scale=alt.Scale(range=[0, alt.ExprRef("width - 52")]))
    bar = base.mark_bar(cornerRadiusEnd=2, height=14).encode(x=rate, color=_look())
    halo = base.mark_rule(color=_CARD, strokeWidth=4).encode(x="low:Q", x2="high:Q")
    whisker = base.mark_rule(color="var(--ink)", strokeWidth=1.5).encode(x="low:Q", x2="high:Q")
    median = (
        alt.Chart()
        .transform_filter("datum.place === 0 && isValid(datum.median)")
        .mark_rule(color="var(--ink)", strokeWidth=1.5, strokeDash=[2, 3])
        .encode(x="median:Q")
    )
    text = base.mark_text(color="var(--ink)", align="left", dx=6, fontSize=12).encode(x="high:Q", text="figure:N")
    return alt.layer(bar, halo, whisker, median, text).properties(
        height=alt.Step(24), width="container", data=alt.NamedData(ROWS)
    )


def spark() -> Chart:
    """Draw a number by week without axes, beside the number of a usual week.

    Rows hold `place` (the weeks' order), `number`, `usual` (null where it is not known) and `look`: orders or
    cancellations in the weeks that are compared, else before.
    """
    color = alt.Color(
        "look:N",
        scale=alt.Scale(domain=["orders", "cancellations", "before"], range=[_ACCENT, _CANCELED, _GREYED]),
        legend=None,
    )
    x = alt.X("place:O", axis=None, scale=alt.Scale(paddingInner=0.25))
    base = alt.Chart().encode(x=x, tooltip=_TOOLTIP)
    usual = (
        alt.Chart()
        .transform_filter("datum.place === 0 && isValid(datum.usual)")
        .mark_rule(color="var(--ink)", strokeDash=[2, 3])
        .encode(y=alt.Y("usual:Q", axis=None))
    )
    return alt.layer(base.mark_bar().encode(y=alt.Y("number:Q", axis=None), color=color), usual).properties(
        height=40, width="container", data=alt.NamedData(ROWS)
    )


def weekly(color: str) -> Chart:
    """Draw a number by week, this year over last; rows hold `week` (the last day of this year's), `series`, `number`.

    `series` is This year or Last year, whose weeks are drawn where this year's are.
    """
    names = ["This year", "Last year"]
    return (
        alt.Chart()
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X(
                "week:T",
                axis=alt.Axis(
                    title=None, format="%b", tickCount="month", labelOverlap="greedy", labelSeparation=8, grid=False
                ),
            ),
            y=alt.Y("number:Q", axis=alt.Axis(title=None, tickCount=4), scale=alt.Scale(zero=True)),
            color=alt.Color(
                "series:N",
                scale=alt.Scale(domain=names, range=[color, _GREYED]),
                legend=alt.Legend(title=None, orient="top", symbolType="stroke"),
            ),
            strokeDash=alt.StrokeDash("series:N", scale=alt.Scale(domain=names, range=[[1, 0], [4, 3]]), legend=None),
            tooltip=_TOOLTIP,
        )
        .properties(height=190, width="container", data=alt.NamedData(ROWS))
    )


def _line(base: Chart) -> Chart:
    return base.mark_line(strokeWidth=2).encode(y=alt.Y("rate:Q", axis=_SHARE_AXIS, scale=alt.Scale(zero=True)))


def _dashes() -> alt.StrokeDash:
    scale = alt.Scale(domain=["complete", "incomplete"], range=[[1, 0], [4, 4]])
    return alt.StrokeDash("stretch:N", scale=scale, legend=None)


def _points(base: Chart) -> Chart:
    return base.mark_point(size=52, strokeWidth=2, opacity=1).encode(
        y=alt.Y("rate:Q", axis=_SHARE_AXIS),
        fill=alt.Fill(
            "look:N",
            scale=alt.Scale(domain=["complete", "incomplete", "small"], range=[_MARK, _CARD, _CARD]),
            legend=None,
        ),
        stroke=alt.Stroke(
            "look:N",
            scale=alt.Scale(domain=["complete", "incomplete", "small"], range=[_MARK, _MARK, _GREYED]),
            legend=None,
        ),
        tooltip=_TOOLTIP,
    )


def _whiskers(each: Chart) -> Chart:
    return (
        each.transform_filter("datum.look === 'small' && isValid(datum.low)")
        .mark_rule(color=_GREYED, strokeWidth=1.5)
        .encode(y="low:Q", y2="high:Q")
    )


def _look() -> alt.Color:
    return alt.Color("look:N", scale=alt.Scale(domain=["complete", "small"], range=[_MARK, _GREYED]), legend=None)


def _themed(chart: Chart) -> Chart:
    return (
        chart.configure(background="transparent", padding={"left": 2, "right": 6, "top": 4, "bottom": 2}, font=FONT)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor="var(--muted)",
            titleColor="var(--muted)",
            titleFontWeight="normal",
            labelFontSize=12,
            titleFontSize=12,
            gridColor="var(--line)",
            domainColor="var(--line)",
            tickColor="var(--line)",
            labelPadding=6,
        )
        .configure_legend(labelColor="var(--ink)", labelFontSize=12, padding=0, offset=8)
    )


def compile_charts() -> dict[str, str]:
    """Compile the charts, and bundle the version of Vega that they are compiled for; return each file by its name."""
    charts = {"font": FONT, "specifications": specifications()}
    return {
        "charts.json": json.dumps(charts, indent=1) + "\n",
        "vega.js": vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE),
    }


def main() -> None:
    """Write the compiled files beside this module."""
    for name, content in compile_charts().items():
        Path(__file__).with_name("compiled").joinpath(name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
