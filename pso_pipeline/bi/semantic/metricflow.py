"""The metrics as a dbt project for MetricFlow: thin models over the snapshot, semantic models, metrics.

The project can be used as it is, or as a package of another dbt project. Its models hold only the hotels that totals
count. Source: the semantic models of dbt 1.6 to 1.11, in which measures belong to a semantic model.
"""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from pso_pipeline.bi.rates import FIRM_ORDERS, Measure, Rate, load_metrics
from pso_pipeline.bi.yaml_files import write_yaml
from pso_pipeline.contract.columns import Column, Table
from pso_pipeline.contract.marts import (
    AGG_CANCELLATION_CURVE,
    AGG_ITEM_REVENUE_DAILY,
    AGG_ORDERS_DAILY,
    DIM_DATES,
    DIM_ENTERPRISES,
    DIM_PRODUCTS,
    DIM_SERVICES,
    FCT_PRODUCT_SERVICE_ORDERS,
)

_AMOUNT = "DECIMAL(18,4)"
_AGGREGATE = re.compile(r"(SUM|COUNT)\((.+)\)")
_PERCENTILE = re.compile(r"MEDIAN\((?P<middle>\w+)\)|QUANTILE_CONT\((?P<column>\w+), (?P<percentile>[\d.]+)\)")
_TERM = re.compile(r"SUM\(\w+\)")
_COHORT = Column("cohort_firm_orders", "BIGINT", "Firm orders of the cohort, whatever their age.")
_ENTITIES = {"hotel": "enterprise_id", "service": "service_id", "product": "product_id", "order": "order_id"}
"""What rows are joined by, each with its column."""


@dataclass(frozen=True, slots=True)
class _Model:
    """One model of dbt: its name, the table of the snapshot that it shows, the date of its counts."""

    name: str
    table: Table
    date: str | None = None
    added: tuple[Column, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        return (*self.table.columns, *self.added)

    @property
    def entity(self) -> str | None:
        """The entity of which a row is one, where it is one."""
        return next((name for name, column in _ENTITIES.items() if (column,) == self.table.key), None)


_MODELS = (
    _Model("hotels", DIM_ENTERPRISES),
    _Model("services", DIM_SERVICES),
    _Model("products", DIM_PRODUCTS),
    _Model("orders_by_day", AGG_ORDERS_DAILY, "date"),
    _Model("orders", FCT_PRODUCT_SERVICE_ORDERS, "created_date"),
    _Model("value_by_day", AGG_ITEM_REVENUE_DAILY, "date"),
    _Model("cancellation_by_age", AGG_CANCELLATION_CURVE, "cohort_month", (_COHORT,)),
)
_SPINE = "time_spine"


def metricflow_project() -> dict[str, str]:
    """Make the files of the project, by their path in it."""
    sql = {f"models/pso_{model.name}.sql": _model_sql(model.table, is_counted=bool(model.date)) for model in _MODELS}
    return {
        "dbt_project.yml": write_yaml(
            {
                "name": "pso_bi",
                "version": "1.0.0",
                "profile": "pso_bi",
                "model-paths": ["models"],
                "models": {"pso_bi": {"+materialized": "view"}},
                "flags": {"send_anonymous_usage_stats": False},
            }
        ),
        "profiles.yml": _packaged("profiles.yml"),
        "models/pso_bi.yml": write_yaml(_definitions()),
        f"models/pso_{_SPINE}.sql": _model_sql(DIM_DATES, is_counted=False),
    } | sql


def _packaged(name: str) -> str:
    return files("pso_pipeline.bi.semantic").joinpath("templates", name).read_text(encoding="utf-8")


def _model_sql(table: Table, *, is_counted: bool) -> str:
    own = {DIM_ENTERPRISES, AGG_CANCELLATION_CURVE}
    name = table.name if table in own else "counted_rows" if is_counted else "whole_table"
    return string.Template(_packaged(f"{name}.sql")).substitute(table=table.name)


def _definitions() -> dict[str, Any]:
    builders = {model.name: _Builder(model) for model in _MODELS}
    for builder in builders.values():
        if builder.model.date:
            builder.build()
    return {
        "version": 2,
        "sources": [
            {
                "name": "pso_bi",
                "database": "{{ var('pso_bi_database', 'pso_bi') }}",
                "schema": "mart",
                "tables": [{"name": table.name} for table in (DIM_DATES, *(model.table for model in _MODELS))],
            }
        ],
        "models": [
            {
                "name": f"pso_{_SPINE}",
                "description": DIM_DATES.description,
                "time_spine": {"standard_granularity_column": "date"},
                "columns": [{"name": "date", "granularity": "day"}],
            },
            *({"name": f"pso_{model.name}", "description": model.table.description} for model in _MODELS),
        ],
        "semantic_models": [_semantic_model(each.model, list(each.measures.values())) for each in builders.values()],
        "metrics": [metric for each in builders.values() for metric in each.metrics.values()],
    }


def _semantic_model(model: _Model, measures: list[dict[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": model.name,
        "description": model.table.description,
        "model": f"ref('pso_{model.name}')",
    }
    if model.date:
        made["defaults"] = {"agg_time_dimension": model.date}
    if model.entity is None:
        made["primary_entity"] = model.name
    names = {column.name for column in model.columns}
    made["entities"] = [
        {"name": name, "type": "primary" if name == model.entity else "foreign", "expr": column}
        for name, column in _ENTITIES.items()
        if column in names and (name == model.entity or model.date)
    ]
    made["dimensions"] = list(_dimensions(model))
    if measures:
        made["measures"] = measures
    return made


def _dimensions(model: _Model) -> Iterator[dict[str, Any]]:
    for column in model.columns:
        if column.type == "DATE":
            grain = "month" if column.name.endswith("_month") else "day"
            kind: dict[str, Any] = {"type": "time", "type_params": {"time_granularity": grain}}
        elif column.type in {"VARCHAR", "BOOLEAN", "INTEGER"} and column.name not in _ENTITIES.values():
            kind = {"type": "categorical"}
        else:
            continue
        yield {"name": column.name, "description": column.description} | kind
    if model.table is DIM_ENTERPRISES:
        words = "Whether totals count the hotel: it is read now, and was read to its end."
        yield {"name": "is_counted", "description": words, "type": "categorical"}


class _Builder:
    """The measures and metrics of one model, each once, by their names."""

    def __init__(self, model: _Model) -> None:
        self.model = model
        self.measures: dict[str, dict[str, Any]] = {}
        self.metrics: dict[str, dict[str, Any]] = {}

    def build(self) -> None:
        """Make every count, amount, rate and measure of the model."""
        if self.model.table is FCT_PRODUCT_SERVICE_ORDERS:
            self._simple("orders", "Orders", "Orders in any state.", "count", "1")
        for column in self.model.columns:
            if column.type == "BIGINT":
                self._sum(column)
            elif column.type == _AMOUNT:
                guarded = f"{column.description} Null over several currencies."
                label = _readable(f"sum_{column.name}")
                self._derived(f"sum_{column.name}", label, guarded, self._one_currency(self._sum(column)))
        metrics = load_metrics()
        for rate in metrics.rates:
            if rate.table == self.model.table.name:
                self._rate(rate)
        for measure in metrics.measures:
            if measure.table == self.model.table.name:
                self._measure(measure)

    def _rate(self, rate: Rate) -> None:
        part = self._aggregate(rate.numerator, rate.date, f"{rate.name}_numerator")
        whole = self._aggregate(rate.denominator, rate.date, f"{rate.name}_denominator")
        quotient = f"CAST({part} AS DOUBLE) / NULLIF({whole}, 0)"
        sentence = _line(rate.sentence)
        if rate.per:
            self._derived(
                rate.name, rate.label, f"{sentence} Null over several currencies.", self._one_currency(quotient)
            )
        elif self.model.table is AGG_CANCELLATION_CURVE:
            young = "Null where an order is younger than the age."
            expression = f"CASE WHEN {whole} = sum_{_COHORT.name} THEN {quotient} END"
            self._derived(rate.name, rate.label, f"{sentence} {young}", expression)
        else:
            self.metrics[rate.name] = {
                "name": rate.name,
                "label": rate.label,
                "description": sentence,
                "type": "ratio",
                "type_params": {"numerator": part, "denominator": whole},
            }
        if rate.maturity_days is not None:
            firm = self._aggregate(FIRM_ORDERS, rate.date, "")
            complete = f"{sentence} Only where every order is at least {rate.maturity_days} days old."
            expression = f"CASE WHEN {firm} = {whole} THEN {quotient} END"
            self._derived(f"{rate.name}_complete", f"{rate.label} (complete)", complete, expression)

    def _measure(self, measure: Measure) -> None:
        found = _PERCENTILE.fullmatch(measure.expression)
        if found:
            self._simple(
                measure.name,
                measure.label,
                _line(measure.sentence),
                "percentile",
                found["middle"] or found["column"],
                date=measure.date,
                percentile=float(found["percentile"] or 0.5),
            )
            return
        sums = _TERM.sub(lambda term: self._aggregate(term[0], measure.date, ""), measure.expression)
        sentence = f"{_line(measure.sentence)} Null over several currencies."
        self._derived(measure.name, measure.label, sentence, self._one_currency(sums))

    def _aggregate(self, sql: str, date: str, name: str) -> str:
        """Name the metric of one aggregate of `metrics.yml`; `name` is for one that is not of a column alone."""
        found = _AGGREGATE.fullmatch(sql)
        if found is None:
            raise ValueError(f"MetricFlow has no {sql}: write SUM(…) or COUNT(…) in metrics.yml")
        aggregate, expression = found[1].lower(), found[2]
        if aggregate == "sum" and expression in self.model.table.column_names:
            return self._sum(next(column for column in self.model.columns if column.name == expression))
        if expression in self.model.table.column_names:
            name = f"{aggregate}_{expression}"
        return self._simple(
            name, _readable(name), f"{sql} of mart.{self.model.table.name}.", aggregate, expression, date=date
        )

    def _sum(self, column: Column) -> str:
        name = f"sum_{column.name}" + "_of_any_currency" * (column.type == _AMOUNT)
        return self._simple(name, _readable(column.name), column.description, "sum", column.name)

    def _one_currency(self, expression: str) -> str:
        low, high = (
            self._simple(
                f"{self.model.name}_{which}_currency",
                _readable(f"{which}_currency_of_{self.model.name}"),
                "To know whether there are several currencies.",
                aggregate,
                "currency",
            )
            for which, aggregate in (("first", "min"), ("last", "max"))
        )
        return f"CASE WHEN {low} = {high} THEN {expression} END"

    def _simple(
        self,
        name: str,
        label: str,
        description: str,
        aggregate: str,
        expression: str,
        *,
        date: str | None = None,
        percentile: float | None = None,
    ) -> str:
        measure: dict[str, Any] = {"name": name, "agg": aggregate, "expr": expression}
        if percentile is not None:
            measure["agg_params"] = {"percentile": percentile, "use_discrete_percentile": False}
        if date and date != self.model.date:
            measure["agg_time_dimension"] = date
        self.measures[name] = measure
        self.metrics[name] = {
            "name": name,
            "label": label,
            "description": description,
            "type": "simple",
            "type_params": {"measure": name},
        }
        return name

    def _derived(self, name: str, label: str, description: str, expression: str) -> None:
        inputs = [each for each in self.metrics if re.search(rf"\b{each}\b", expression)]
        self.metrics[name] = {
            "name": name,
            "label": label,
            "description": description,
            "type": "derived",
            "type_params": {"expr": expression, "metrics": [{"name": each} for each in inputs]},
        }


def _line(text: str) -> str:
    return " ".join(text.split())


def _readable(name: str) -> str:
    return name.replace("_", " ").capitalize()
