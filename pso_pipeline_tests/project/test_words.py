"""Some words that CONTRIBUTING.md replaces by plainer ones are in no page and in no source.

Add a word here only if it has no other use: this test knows no exceptions.
"""

import re
from pathlib import Path

import pytest

from pso_pipeline_tests.project.test_pages import PAGES, ROOT, text

WORDS = re.compile(
    r"\b(anew|for want of|in place of|instead where|stands? (in|beside)|grow[ns]? older|give way|politeness|told|remade"
    r"|weighs? versions)\b",
    re.IGNORECASE,
)
FOLDERS = ("pso_pipeline", "pso_pipeline_tests", "benchmarks", "dashboards", "deploy")
SOURCES = {".py", ".sql", ".yml", ".yaml", ".html"}
DIARY = ROOT / "benchmarks/history"
RULES = {ROOT / "CONTRIBUTING.md", Path(__file__)}


def found_in(file):
    return [match.group() for match in WORDS.finditer(text(file))]


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page not in RULES and DIARY not in page.parents],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_a_page_is_in_plain_words(page):
    assert found_in(page) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_sources_are_in_plain_words(folder):
    files = [file for file in (ROOT / folder).rglob("*") if file.suffix in SOURCES and file not in RULES]
    assert files
    assert {str(file.relative_to(ROOT)): words for file in files if (words := found_in(file))} == {}
