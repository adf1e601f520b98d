"""The data sets and colours of the Superset bundle, made from `.sql` files, contract, `metrics.yml` and the palette.

    python -m pso_pipeline.bi.superset dashboards/superset

updates the bundle and names the files that it changed. A rate is added in `metrics.yml` and a column in
`contract/marts.py`; names, identifiers and words of a data set stay in its YAML file, charts and layout in theirs. The
programs that start Superset are in `dashboards/superset` and import nothing of this package.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any

import click
import yaml

from pso_pipeline.bi.palette import LIGHT, OUTCOMES
from pso_pipeline.bi.rates import (
    FIRM_ORDERS,
    Measure,
    Rate,
    complete_sql,
    load_metrics,
    measure_sql,
    of_one,
    rate_sql,
)
from pso_pipeline.bi.yaml_files import write_yaml
from pso_pipeline.contract.columns import Table
from pso_pipeline.contract.enums import ORIGIN_NAMES
from pso_pipeline.contract.marts import (
    AGG_CANCELLATION_CURVE,
    AGG_CHANGES,
    AGG_CONSUMPTION_AHEAD,
    AGG_ITEM_REVENUE_DAILY,
    AGG_ORDERS_DAILY,
    DIM_ENTERPRISES,
    FCT_PRODUCT_SERVICE_ORDERS,
)
from pso_pipeline.warehouse.sql import literal

DATA_SETS: Mapping[str, Table] = {
    "orders_by_day": AGG_ORDERS_DAILY,
    "orders": FCT_PRODUCT_SERVICE_ORDERS,
    "cancellation_by_age": AGG_CANCELLATION_CURVE,
    "hotel_status": DIM_ENTERPRISES,
    "value_by_day": AGG_ITEM_REVENUE_DAILY,
    "days_ahead": AGG_CONSUMPTION_AHEAD,
    "changes": AGG_CHANGES,
}
"""Each data set by the name of its `.sql` and `.yaml` file, with the table whose rows it shows under readable names."""

_D3_FORMATS = {"percent": ".1%", "ratio": ".2f", "hours": ",.1f", "count": ",d", "amount": ",.2f"}
_UNITS = {"hours": " (hours)"}
_AMOUNT = "DECIMAL(18,4)"

_Z95 = NormalDist().inv_cdf(0.975)
_OPEN_ENDED = {FIRM_ORDERS, "SUM(resolved_orders)"}
"""Denominators that take in orders of any age, so that a rate of what became of them is not yet settled."""

_NOT_SETTLED = "Young orders can still be served or canceled: do not compare young months with old ones."

_LABEL_LENGTH = 60
_SHOWN = re.compile(r"\b(?P<function>shown|shown_origin|shown_text)\((?P<column>[\w.]+)\)")
_IS_WHOLE = "SUM(orders_at_risk) = SUM(firm_orders)"
"""Every order of the cohorts that are added up has been observed for that many days."""

COLOURS: Mapping[str, str] = {
    "sum_mature_firm_orders_30d": "neutral",
    "too_young_30d": "shade",
    "cancellation_rate_7d_complete": "series-2",
    "cancellation_rate_30d_complete": "canceled",
    "cancellation_rate_30d_maturing": "greyed",
    "cancellation_rate_90d_complete": "series-1",
    "dated_cancellations": "canceled",
    "median_hours_to_cancel_in_days": "canceled",
    "p90_hours_to_cancel_in_days": "series-1",
    "sum_checked_in_orders": OUTCOMES["Served"],
    "sum_canceled_orders": OUTCOMES["Canceled"],
    "sum_unresolved_orders": OUTCOMES["Unresolved"],
    "still_open": OUTCOMES["Still open"],
}
"""The metrics that are drawn, each with the name of its colour in the palette; the report has the same colours."""

_Metric = dict[str, Any]


def bring_into_step(folder: Path) -> list[Path]:
    """Write the data sets and colours of the bundle that differ from their sources; return the files that changed.

    `folder` holds `sql/` and `bundle/`, as `dashboards/superset` does.

    Raises:
        FileNotFoundError: A data set lacks its `.sql` or `.yaml` file.
    """
    changed = []
    for name in DATA_SETS:
        path = data_set_path(folder, name)
        text = path.read_text(encoding="utf-8")
        made = make_data_set(folder, name)
        if made != text:
            path.write_text(made, encoding="utf-8")
            changed.append(path)
    for path in sorted((folder / "bundle" / "dashboards").iterdir()):
        text = path.read_text(encoding="utf-8")
        made = _with_colours(text)
        if made != text:
            path.write_text(made, encoding="utf-8")
            changed.append(path)
    return changed


def _with_colours(dashboard: str) -> str:
    """Give a dashboard the colours of the palette."""
    content = yaml.safe_load(dashboard)
    content["metadata"]["label_colors"] = {metric: LIGHT[name] for metric, name in COLOURS.items()}
    return write_yaml(content)


def data_set_path(folder: Path, name: str) -> Path:
    """Return where the bundle keeps a data set of `DATA_SETS`."""
    return folder / "bundle" / "datasets" / "pso_bi" / f"{name}.yaml"


def make_data_set(folder: Path, name: str) -> str:
    """Write the YAML of a data set: what people chose from its file, the rest from the sources."""
    chosen = yaml.safe_load(data_set_path(folder, name).read_text(encoding="utf-8"))
    table = DATA_SETS[name]
    columns = _columns(table, chosen["columns"])
    made = chosen | {"sql": _sql(folder, name), "columns": columns, "metrics": list(_metrics(table, columns))}
    return write_yaml(made)


def _metrics(table: Table, columns: list[dict[str, Any]]) -> Iterator[_Metric]:
    """Make the metrics that Superset offers for a table, as a data set's YAML holds them.

    Each rate and measure of `metrics.yml` under its own name; beside a share its 95 % interval as text
    (`<name>_interval`); beside a rate with a maturity the same for groups whose orders are all old enough
    (`<name>_complete`) and for those where some are not yet (`<name>_maturing`); beside a measure in hours the same in
    days (`<name>_in_days`) and as milliseconds that Superset writes as `2d 2h` (`<name>_readable`); the counts
    and amounts (`sum_<column>`). What is per currency is null over several. A rate of the cancellation curve is null
    where an order is younger than the age.
    """
    metrics = load_metrics()
    for rate in metrics.rates:
        if rate.table == table.name:
            condition = _IS_WHOLE if table is AGG_CANCELLATION_CURVE else None
            yield _where(condition, _of_rate(rate))
            if rate.is_share:
                yield _where(condition, _interval(rate))
            if rate.maturity_days is not None:
                yield from _by_maturity(rate, rate.maturity_days)
    for measure in metrics.measures:
        if measure.table == table.name:
            yield from _of_measure(measure)
    if table is AGG_CHANGES:
        yield from _of_one_change()
        return
    yield from _counts(table, {column["column_name"]: column["verbose_name"] for column in columns})


def interval_sql(rate: Rate) -> str:
    """Write the Wilson 95 % interval of a share, in percent, as an SQL text: `11.8–30.9`; null where the share is.

    Every number is a DOUBLE (hence `e0`): as DECIMAL literals, 16 digits behind the point leave none before it.
    """
    part, trials = f"CAST({rate.numerator} AS DOUBLE)", f"CAST({rate.denominator} AS DOUBLE)"
    spread = f"{_Z95}e0 * SQRT({part} * ({trials} - {part}) / NULLIF({trials}, 0) + {_Z95**2 / 4}e0)"
    low, high = (
        f"CAST(100 * ({part} + {_Z95**2 / 2}e0 {sign} {spread}) / ({trials} + {_Z95**2}e0) AS DECIMAL(4, 1))"
        for sign in "-+"
    )
    return f"{low} || '–' || {high}"


def _where(condition: str | None, metric: _Metric) -> _Metric:
    return metric | {"expression": f"CASE WHEN {condition} THEN {metric['expression']} END"} if condition else metric


def _of_rate(rate: Rate) -> _Metric:
    is_outcome = rate.group in {"cancellation", "check_in"}
    is_settled = rate.maturity_days is not None or rate.denominator not in _OPEN_ENDED
    return _metric(
        rate.name,
        _label(rate),
        rate_sql(rate),
        _sentence(rate),
        _D3_FORMATS[rate.format],
        warning=_NOT_SETTLED if is_outcome and not is_settled else None,
    )


def _interval(rate: Rate) -> _Metric:
    return _metric(
        f"{rate.name}_interval",
        f"{rate.label}: 95 % interval (%)",
        interval_sql(rate),
        f"Wilson 95 % interval: how far chance alone may carry this share. {_sentence(rate)}",
        None,
    )


def _by_maturity(rate: Rate, days: int) -> Iterator[_Metric]:
    old_enough = rate.denominator
    yield _metric(
        f"{rate.name}_complete",
        f"{rate.label} (complete)",
        complete_sql(rate),
        f"{_sentence(rate)} Only where every order is at least {days} days old.",
        _D3_FORMATS[rate.format],
    )
    yield _metric(
        f"{rate.name}_maturing",
        f"{rate.label} (not complete)",
        f"CASE WHEN {FIRM_ORDERS} > {old_enough} THEN {rate_sql(rate)} END",
        f"{_sentence(rate)} Only where some orders are younger than {days} days, and not counted yet.",
        _D3_FORMATS[rate.format],
    )


def _of_measure(measure: Measure) -> Iterator[_Metric]:
    name, hours, sentence = measure.name, measure_sql(measure), _sentence(measure)
    yield _metric(name, _label(measure), hours, sentence, _D3_FORMATS[measure.format])
    if measure.format == "hours":
        yield _metric(f"{name}_in_days", f"{measure.label} (days)", f"{hours} / 24", sentence, ",.3~g")
        # to the hour, and below a day to the minute: nobody reads finer values
        milliseconds = f"CASE WHEN {hours} < 24 THEN 60000 * ROUND(60 * {hours}) ELSE 3600000 * ROUND({hours}) END"
        yield _metric(f"{name}_readable", measure.label, milliseconds, sentence, "DURATION")


def _of_one_change() -> Iterator[_Metric]:
    """Make the metrics of the changes, whose rows contain each other and so are never added up."""
    for name, label, column, number in (
        ("place", "Place", "MIN(rank)", ",d"),
        ("sum_orders", "Orders", "SUM(orders)", ",d"),
        ("sum_cancellations", "Cancellations", "SUM(cancellations)", ",d"),
        ("excess", "Excess cancellations", "SUM(excess_cancellations)", "+,.1f"),
        ("usual_orders", "Orders, usually", "SUM(compared_orders)", ",.1f"),
        ("usual_cancellations", "Cancellations, usually", "SUM(compared_cancellations)", ",.1f"),
    ):
        yield _metric(name, label, column, "Only meaningful for one row of the table.", number)


def _counts(table: Table, labels: Mapping[str, str]) -> Iterator[_Metric]:
    if table is FCT_PRODUCT_SERVICE_ORDERS:
        yield _metric("orders", "Orders", "COUNT(*)", "Orders in any state.", _D3_FORMATS["count"])
        yield _metric(
            "dated_cancellations",
            "Cancellations",
            "COUNT(hours_to_cancel)",
            "Canceled orders whose time of cancellation is known.",
            _D3_FORMATS["count"],
        )
    for column in table.columns:
        if column.type == "BIGINT" and not column.name.startswith("history_"):
            yield _metric(
                f"sum_{column.name}",
                labels[column.name],
                f"SUM({column.name})",
                column.description,
                _D3_FORMATS["count"],
            )
        elif column.type == _AMOUNT:
            yield _metric(
                f"sum_{column.name}",
                labels[column.name],
                of_one("currency", f"SUM({column.name})"),
                f"{column.description} Empty over several currencies.",
                _D3_FORMATS["amount"],
            )
    if table is AGG_ORDERS_DAILY:
        for days in sorted({rate.maturity_days for rate in load_metrics().rates if rate.maturity_days}):
            yield _metric(
                f"too_young_{days}d",
                f"Younger than {days} days",
                f"{FIRM_ORDERS} - SUM(mature_firm_orders_{days}d)",
                f"Firm orders that have not had {days} days to cancel yet.",
                _D3_FORMATS["count"],
            )
        yield _metric(
            "still_open",
            "Still open",
            "SUM(confirmed_orders) - SUM(unresolved_orders)",
            "Confirmed orders that are not unresolved: they may yet be served or canceled.",
            _D3_FORMATS["count"],
        )
    if table is AGG_CANCELLATION_CURVE:
        yield _metric(
            "sum_firm_orders",
            "Firm orders",
            FIRM_ORDERS,
            "Firm orders of the cohorts, whatever their age; only meaningful grouped by days_since_creation.",
            _D3_FORMATS["count"],
        )
    if table is AGG_CONSUMPTION_AHEAD:
        yield _metric(
            "expected",
            "Expected",
            "CASE WHEN COUNT(*) = COUNT(expected_quantity) THEN SUM(expected_quantity) END",
            "Units that are left once those that history says are canceled; empty where it says nothing of a part.",
            ",.1f",
        )
        yield _metric(
            "first_day", "First day", "MIN(DATE_DIFF('day', DATE '2000-01-01', date))", "To sort days by.", ",d"
        )
    if table is DIM_ENTERPRISES:
        yield _metric("hotels", "Hotels", "COUNT(*)", "Hotels, also those that are no longer read.", ",d")
        yield _metric("orders", "Orders", "SUM(orders)", "Orders in any state.", _D3_FORMATS["count"])
        yield _metric("age_in_days", "Age in days", "MAX(age_in_days)", "Age of the oldest figures.", ",.1f")
        yield _metric(
            "data_as_of",
            "Data as of (UTC)",
            "MIN(CASE WHEN is_in_scope THEN as_of_utc END)",
            "Every change up to here is in the figures of every hotel that is read now and was read to its end.",
            None,
        )


def _metric(
    name: str, label: str, expression: str, description: str, d3format: str | None, *, warning: str | None = None
) -> _Metric:
    return {
        "metric_name": name,
        "verbose_name": label,
        "metric_type": None,
        "expression": expression,
        "description": description,
        "d3format": d3format,
        "currency": None,
        "extra": {},
        "warning_text": warning,
    }


def _label(metric: Rate | Measure) -> str:
    return metric.label + _UNITS.get(metric.format, "")


def _sentence(metric: Rate | Measure) -> str:
    return " ".join(metric.sentence.split())


def _readable(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _columns(table: Table, chosen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put a table's own columns behind those that a data set adds; words chosen for a column stay."""
    known = {column["column_name"]: column for column in chosen}
    own = [column for column in chosen if column["column_name"] not in table.column_names]
    return own + [
        {
            "column_name": column.name,
            "verbose_name": _readable(column.name),
            "is_dttm": column.type in {"DATE", "TIMESTAMP"},
            "is_active": True,
            "type": column.type,
            "advanced_data_type": None,
            "groupby": column.type not in {"BIGINT", "DOUBLE", _AMOUNT},
            "filterable": True,
            "expression": None,
            "python_date_format": None,
            "extra": {},
        }
        | known.get(column.name, {})
        | {"type": column.type, "description": column.description}
        for column in table.columns
    ]


def _sql(folder: Path, name: str) -> str:
    hotels, rows = ((folder / "sql" / f"{file}.sql").read_text(encoding="utf-8") for file in ("hotels", name))
    functions = {"shown": shown_sql, "shown_origin": shown_origin_sql, "shown_text": shown_text_sql}
    return _SHOWN.sub(
        lambda found: functions[found["function"]](found["column"]), f"WITH hotels AS (\n{hotels})\n{rows}"
    )


def shown_sql(column: str) -> str:
    """Write a label from the API as one line that no program takes for markup: what `shown(column)` is in `sql/`.

    What is too long is cut.
    """
    return f"left({shown_text_sql(column)}, {_LABEL_LENGTH})"


def shown_text_sql(column: str) -> str:
    """Write a text as one line that no program takes for markup: what `shown_text(column)` is in `sql/`.

    Spaces become single ones; control, invisible and bidirectional characters go; angle brackets become round ones:
    Superset renders what looks like HTML.
    """
    line = rf"regexp_replace(regexp_replace({column}, '\s+', ' ', 'g'), '\p{{C}}+', '', 'g')"
    return f"translate({line}, '<>', '()')"


def shown_origin_sql(column: str) -> str:
    """Write the name that people use for an origin: what `shown_origin(column)` is in `sql/`; an unknown one stays."""
    names = " ".join(f"WHEN {literal(origin)} THEN {literal(name)}" for origin, name in ORIGIN_NAMES.items())
    return f"CASE {column} {names} ELSE {shown_sql(column)} END"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Bring the data sets of the bundle in FOLDER into step with metrics.yml, the contract and their .sql files."""
    for path in bring_into_step(folder):
        click.echo(f"changed {path}")


if __name__ == "__main__":
    main()
