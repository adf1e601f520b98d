"""The generated pages say what the definitions say, and what the published database says of itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pso_pipeline.bi.documentation.pages import DICTIONARY_PAGE, METRICS_PAGE, dictionary_page, metrics_page
from pso_pipeline.bi.rates import Measure, Rate, load_metrics
from pso_pipeline.contract.marts import MART_TABLES
from pso_pipeline.contract.warehouse import WAREHOUSE_TABLES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {METRICS_PAGE: metrics_page, DICTIONARY_PAGE: dictionary_page}


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_are_in_step(name):
    kept = (DOCS / name).read_text(encoding="utf-8")
    assert kept == PAGES[name](), "run python -m pso_pipeline.bi.documentation docs"


def test_the_command_writes_them(tmp_path):
    command = [sys.executable, "-m", "pso_pipeline.bi.documentation", str(tmp_path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.split() == [str(tmp_path / name) for name in PAGES]
    assert (tmp_path / METRICS_PAGE).read_text(encoding="utf-8") == metrics_page()


def test_every_metric_is_explained():
    page = metrics_page()
    metrics = load_metrics()
    every: list[Rate | Measure] = [*metrics.rates, *metrics.measures]
    for each in every:
        section = page.split(f'<a id="{each.name}"></a>')[1].split("<a id=")[0]
        assert each.label in section
        assert each.sentence in section
        assert ("headline" in section) == (isinstance(each, Rate) and each.is_headline)
    for rate in metrics.rates:
        assert f"`{rate.numerator} / {rate.denominator}`" in page


def test_the_queries_in_the_page_run(snapshot):
    queries = re.findall(r"```sql\n(.*?)```", metrics_page(), re.DOTALL)
    changes, pickup, known_then, by_month, by_age = (
        snapshot.execute(query.replace("2026-01-01", "2024-01-01")).fetchall() for query in queries
    )
    assert len(changes) <= 5
    assert 35 <= len(pickup) <= 37
    assert all(orders >= canceled for *_, orders, canceled in known_then)
    assert 0 < max(rate for _, rate in by_month if rate is not None) <= 1
    shares = [share for _, share in by_age]
    assert 0 < shares[-1] <= 1
    assert shares == sorted(shares)
    assert len(shares) > 100


def test_the_dictionary_says_what_the_published_comments_say(snapshot):
    page = dictionary_page()
    columns = snapshot.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = 'mart'"
    ).fetchall()
    assert {column[0] for column in columns} == {table.name for table in MART_TABLES}
    for table, column, kind, comment in columns:
        section = page.split(f"\n### {table}\n")[1].split("\n### ")[0]
        assert f"| `{column}` | {kind} | {comment} |" in section, (table, column)
    tables = snapshot.execute("SELECT comment FROM duckdb_tables() WHERE schema_name = 'mart'").fetchall()
    assert all(comment in page for (comment,) in tables)


def test_every_landed_column_is_in_the_dictionary():
    page = dictionary_page()
    for table in WAREHOUSE_TABLES:
        section = page.split(f"\n### {table.qualified_name}\n")[1].split("\n### ")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(table.column_names)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    for target, anchor in re.findall(r"\]\(([^)#]+)#?([^)]*)\)", PAGES[name]()):
        assert (DOCS / target).exists()
        assert not anchor or f'<a id="{anchor}"></a>' in (DOCS / target).read_text(encoding="utf-8")
