"""Tests that the docs name existing settings, commands, files and links."""

import re
from pathlib import Path

import pytest

from pso_pipeline.cli import COMMANDS
from pso_pipeline.settings import Settings, Timetable
from pso_pipeline.warehouse.checks.rules import DERIVED_RULES, LANDED_RULES

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "dashboards", "benchmarks", "deploy", "examples")
PAGES = sorted(
    {*ROOT.glob("*.md"), ROOT / "data/README.md", *(page for name in FOLDERS for page in (ROOT / name).rglob("*.md"))}
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
ROW = re.compile(r"^\| (`[A-Z_`, ]+`) \| (.+) \| (.+) \|$", re.MULTILINE)


def text(page):
    return page.read_text(encoding="utf-8")


def every_setting():
    """Return the fields of every setting by the name of its variable."""
    return {name.upper(): field for each in (Settings, Timetable) for name, field in each.model_fields.items()}


def test_every_setting_is_explained_with_its_default():
    rows = {
        name.strip("` "): default
        for names, _, default in ROW.findall(text(ROOT / "docs/configuration.md"))
        for name in names.split(",")
    }
    assert set(rows) == set(every_setting())
    for name, field in every_setting().items():
        if field.is_required():
            assert rows[name] == "none: required"
        elif field.default not in (None, ()) and name != "MEWS_CLIENT":
            assert rows[name] == f"`{field.default}`"


def test_the_example_of_a_setting_file_names_settings_that_exist():
    names = re.findall(r"^(?:# )?([A-Z_]+)=", text(ROOT / ".env.example"), re.MULTILINE)
    assert set(names) <= set(every_setting())
    required = {name for name, field in every_setting().items() if field.is_required()}
    assert required <= set(names)


def test_every_command_is_in_the_readme_and_no_other():
    assert set(re.findall(r"`pso ([a-z]+)", text(ROOT / "README.md"))) == set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target, _ in LINK.findall(text(page)):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_a_page_names_exists(page):
    code = " ".join(re.findall(r"`[^`\n]+`|```.*?```", text(page), re.DOTALL))
    targets = set(re.findall(r"^([a-z][\w-]*):", text(ROOT / "Makefile"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][\w-]*)", code)) <= targets


def test_the_runbook_says_what_to_do_about_every_check():
    runbook = text(ROOT / "docs/runbook.md")
    for rule in (*LANDED_RULES, *DERIVED_RULES):
        assert f"`{rule.name}`" in runbook


def test_the_glossary_is_in_alphabetical_order():
    terms = [term.lower() for term in re.findall(r"^\*\*([^*]+)\*\*", text(ROOT / "docs/glossary.md"), re.MULTILINE)]
    assert len(terms) > 40
    assert terms == sorted(terms)


def test_the_index_names_every_decision():
    decisions = {page.name for page in (ROOT / "docs/decisions").glob("[0-9]*.md")}
    assert set(re.findall(r"\]\(([^)]+)\)", text(ROOT / "docs/decisions/README.md"))) == decisions
