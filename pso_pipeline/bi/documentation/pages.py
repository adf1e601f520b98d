"""`metrics.md` and `data-dictionary.md`, made from `metrics.yml` and the tables of the contract.

Add a page here with its template in `templates/`. Prose that follows from no definition belongs to pages of its own,
written by hand.
"""

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import jinja2

from pso_pipeline.bi.rates import SMALL_GROUP, Group, Measure, Rate, load_metrics, rate_sql
from pso_pipeline.contract.columns import Table
from pso_pipeline.contract.enums import CHECKED_IN_STATES, FIRM_STATES, PENDING_STATES, REBATE_TYPES, SALE_TYPES
from pso_pipeline.contract.marts import MART_TABLES, SCHEMA_VERSION
from pso_pipeline.contract.warehouse import WAREHOUSE_TABLES

METRICS_PAGE = "metrics.md"
DICTIONARY_PAGE = "data-dictionary.md"

GROUPS: dict[Group, str] = {
    "cancellation": "Cancellation",
    "time_to_cancel": "Time to cancel",
    "check_in": "Check-in",
    "composition": "Composition",
    "value": "Value, per currency",
}


def write_pages(folder: Path) -> list[Path]:
    """Write every generated page into a folder, and return the files."""
    pages = {METRICS_PAGE: metrics_page(), DICTIONARY_PAGE: dictionary_page()}
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in pages]


def metrics_page() -> str:
    """Explain every metric in Markdown: what is counted, when a rate is known, and each definition."""
    metrics = load_metrics()
    groups = [(title, [each for each in _definitions() if each.group == group]) for group, title in GROUPS.items()]
    return _render(
        METRICS_PAGE,
        groups=groups,
        headlines=[rate for rate in metrics.rates if rate.is_headline],
        example=metrics.rate("cancellation_rate_30d"),
        small_group=SMALL_GROUP,
        pending=PENDING_STATES,
        firm=FIRM_STATES,
        checked_in=CHECKED_IN_STATES,
        sales=SALE_TYPES,
        rebates=REBATE_TYPES,
    )


def dictionary_page() -> str:
    """List every table and column in Markdown, with the rates that are made from each column."""
    return _render(
        DICTIONARY_PAGE, marts=MART_TABLES, landed=WAREHOUSE_TABLES, uses=_uses, schema_version=SCHEMA_VERSION
    )


def _uses(table: Table) -> dict[str, str]:
    """Name, for each column of a table, the rates and measures whose definition reads it."""
    found: dict[str, list[str]] = {}
    for each in _definitions():
        for column in table.column_names if each.table == table.name else ():
            if re.search(rf"\b{column}\b", _definition(each)):
                found.setdefault(column, []).append(f"[{each.name}]({METRICS_PAGE}#{each.name})")
    return {column: ", ".join(links) for column, links in found.items()}


def _definitions() -> list[Rate | Measure]:
    metrics = load_metrics()
    return [*metrics.rates, *metrics.measures]


def _definition(each: Rate | Measure) -> str:
    return each.expression if isinstance(each, Measure) else f"{each.numerator} / {each.denominator}"


def _qualities(each: Rate | Measure) -> str:
    """Name where a metric comes from, and which orders are in it."""
    source = f"from `mart.{each.table}`, by `{each.date}`"
    if isinstance(each, Rate) and each.maturity_days:
        source += f", orders at least {each.maturity_days} days old"
    if each.per:
        source += f", per `{each.per}`: null where several are added up"
    return source


def _states(states: Sequence[str]) -> str:
    return ", ".join(f"`{state}`" for state in states)


def _cell(text: str) -> str:
    """Write a text so that it stays within its cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _render(name: str, **values: object) -> str:
    template = files("pso_pipeline.bi.documentation").joinpath("templates", name).read_text(encoding="utf-8")
    environment = jinja2.Environment(  # noqa: S701  # Markdown, where HTML's escapes would show; all values are our own
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {
        "cell": _cell,
        "definition": _definition,
        "qualities": _qualities,
        "rate_sql": rate_sql,
        "states": _states,
    }
    return environment.from_string(template).render(values)
