"""The metrics and tables as an Apache Ossie model, the exchange format of semantic models that was called OSI.

Source: the specification of Apache Ossie, 0.2.0.dev0, in which a document is one model; 0.1.1 wrapped it in a list.
"""

import re
from collections.abc import Iterator
from typing import Any

from pso_pipeline.bi.rates import Measure, Rate, complete_sql, load_metrics, measure_sql, rate_sql
from pso_pipeline.contract.columns import Column, ColumnType, Table
from pso_pipeline.contract.marts import (
    DIM_DATES,
    DIM_ENTERPRISES,
    DIM_PRODUCTS,
    DIM_SERVICES,
    FCT_PRODUCT_SERVICE_ORDERS,
    MART_TABLES,
    RPT_ORDERS,
)

VERSION = "0.2.0.dev0"

DIMENSIONS = (DIM_ENTERPRISES, DIM_SERVICES, DIM_PRODUCTS, DIM_DATES)

_DATA_TYPES: dict[ColumnType, str] = {
    "VARCHAR": "String",
    "BIGINT": "Integer",
    "INTEGER": "Integer",
    "DOUBLE": "Float",
    "DECIMAL(18,4)": "Decimal",
    "BOOLEAN": "Boolean",
    "DATE": "Date",
    "TIMESTAMP": "DateTime",
}
_COUNTED = "is_in_scope AND as_of_utc IS NOT NULL"
_INSTRUCTIONS = (
    "Add up counts first and divide then; never average rates. Totals are of the hotels with "
    "dim_enterprises.is_counted. Never add up amounts of two currencies: group by currency, or filter by it. A recent "
    "period has few or no orders that are old enough for a rate within N days; the metrics that end in _complete are "
    "null there."
)
_MEDIAN = re.compile(r"MEDIAN\((\w+)\)")
_QUANTILE = re.compile(r"QUANTILE_CONT\((\w+), ([\d.]+)\)")


def ossie_model() -> dict[str, Any]:
    """Make the model: every table but the flat copy of the orders, how they join, and every metric."""
    tables = [table for table in MART_TABLES if table is not RPT_ORDERS]
    return {
        "version": VERSION,
        "name": "pso_bi",
        "description": "Product service orders of a hotel group: cancellation, check-in and value.",
        "ai_context": {"instructions": _INSTRUCTIONS},
        "datasets": [_dataset(table) for table in tables],
        "relationships": [each for table in tables for each in _relationships(table)],
        "metrics": list(_metrics({table.name: table for table in tables})),
    }


def _dataset(table: Table) -> dict[str, Any]:
    fields = [_field(column) for column in table.columns]
    if table is DIM_ENTERPRISES:
        fields.append(
            {
                "name": "is_counted",
                "expression": _expression(_COUNTED),
                "description": "Whether totals count the hotel: it is read now, and was read to its end.",
                "datatype": "Boolean",
            }
        )
    return {
        "name": table.name,
        "source": f"pso_bi.{table.qualified_name}",
        "primary_key": list(table.key),
        "description": table.description,
        "fields": fields,
    }


def _field(column: Column) -> dict[str, Any]:
    field = {
        "name": column.name,
        "expression": _expression(column.name),
        "description": column.description,
        "datatype": _DATA_TYPES[column.type],
    }
    return field | {"dimension": {"is_time": True}} if column.type == "DATE" else field


def _relationships(table: Table) -> Iterator[dict[str, Any]]:
    """Join a table to each dimension whose key it has; dimensions join to nothing, so that every path is unique."""
    for target in (*DIMENSIONS, FCT_PRODUCT_SERVICE_ORDERS):
        (key,) = target.key
        if table is not target and table not in DIMENSIONS and key in table.column_names:
            yield {
                "name": f"{table.name}_to_{target.name}",
                "from": table.name,
                "to": target.name,
                "from_columns": [key],
                "to_columns": [key],
            }


def _metrics(tables: dict[str, Table]) -> Iterator[dict[str, Any]]:
    metrics = load_metrics()
    for rate in metrics.rates:
        yield _metric(rate, rate_sql(rate), tables[rate.table])
        if rate.maturity_days is not None:
            complete = f"Only where every order is at least {rate.maturity_days} days old."
            yield _metric(rate, complete_sql(rate), tables[rate.table], suffix="_complete", note=complete)
    for measure in metrics.measures:
        yield _metric(measure, measure_sql(measure), tables[measure.table])


def _metric(each: Rate | Measure, sql: str, table: Table, *, suffix: str = "", note: str = "") -> dict[str, Any]:
    notes = [note, "Null over several currencies." if each.per else ""]
    return {
        "name": each.name + suffix,
        "expression": _expression(_standard_sql(sql, table)),
        "description": " ".join([*each.sentence.split(), *filter(None, notes)]),
        "datatype": "Decimal" if isinstance(each, Measure) and each.format == "amount" else "Float",
        "ai_context": {"synonyms": [each.label]},
    }


def _standard_sql(sql: str, table: Table) -> str:
    """Write an aggregate in standard SQL, with each column qualified by its data set."""
    sql = _MEDIAN.sub(r"PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY \1)", sql)
    sql = _QUANTILE.sub(r"PERCENTILE_CONT(\2) WITHIN GROUP (ORDER BY \1)", sql)
    sql = sql.replace("AS DOUBLE)", "AS DOUBLE PRECISION)")
    columns = "|".join(table.column_names)
    return re.sub(rf"\b({columns})\b", rf"{table.name}.\1", sql)


def _expression(sql: str) -> dict[str, Any]:
    return {"dialects": [{"dialect": "ANSI_SQL", "expression": sql}]}
