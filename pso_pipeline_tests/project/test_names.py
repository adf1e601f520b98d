"""Tests that the pages name only what exists, and that the reference has everything that exists."""

import importlib
import re
import runpy
import subprocess
import tomllib

import click
import pytest

from pso_pipeline.cli import COMMANDS
from pso_pipeline.contract.endpoints import ENDPOINTS
from pso_pipeline.contract.marts import MART_TABLES
from pso_pipeline.contract.warehouse import WAREHOUSE_TABLES
from pso_pipeline_tests.project.test_pages import PAGES, ROOT, every_setting, text

DIARY = ROOT / "benchmarks/history"
PAGES_OF_NOW = [page for page in PAGES if DIARY not in page.parents]
each_page = pytest.mark.parametrize("page", PAGES_OF_NOW, ids=lambda page: str(page.relative_to(ROOT)))

OF_RECIPES = {"mews.product_categories", "mews.superseded_product_categories", "mews.com"}
"""Tables that a recipe adds, and a host name that looks like one."""

MADE_BY_RECIPES = {
    "pso_pipeline/cli/where.py",
    "pso_pipeline_tests/cli/test_where.py",
    "pso_pipeline/contract/endpoints/product_categories.py",
    "pso_pipeline/warehouse/checks/accounts_are_known.sql",
}
COMMAND_OF_RECIPE = "where"
OF_TESTS_AND_RECIPES = {
    "PSO_ALERT_SECONDS",
    "PSO_TEST_EXAMPLES",
    "PSO_TEST_MACHINES",
    "PSO_TEST_ROUNDS",
    "PSO_TEST_SEQUENCES",
    "PSO_TEST_WORLDS",
}


def files():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(listed.stdout.split())


FILES = files()


def options_of(command):
    loaded: click.Command = importlib.import_module(f"pso_pipeline.cli.{command}").command
    found = {option for each in loaded.params for option in (*each.opts, *each.secondary_opts)}
    return found | {"--help", "-h"}


@each_page
def test_every_setting_that_a_page_names_exists(page):
    named = set(re.findall(r"\b(?:PSO|MEWS)_[A-Z]+(?:_[A-Z]+)*\b", text(page)))
    assert named <= {*every_setting(), *OF_TESTS_AND_RECIPES}


@each_page
def test_every_command_and_option_that_a_page_names_exists(page):
    code = " ".join(re.findall(r"`[^`\n]+`|```.*?```", text(page), re.DOTALL))
    for command, rest in re.findall(r"(?<![-/\w.])(?:\.venv/bin/)?pso ([a-z]+)([^`\n|;&#]*)", code):
        if command == COMMAND_OF_RECIPE:
            continue
        assert command in COMMANDS, f"{page.name} names pso {command}"
        assert set(re.findall(r"(?<!\S)\[?(--?[a-z][a-z-]*)", rest)) <= options_of(command), f"pso {command}{rest}"


@each_page
def test_every_table_that_a_page_names_exists(page):
    private = {f"mews.{path.stem}" for path in (ROOT / "pso_pipeline/warehouse/tables").glob("*.sql")}
    known = {f"{table.schema}.{table.name}" for table in (*MART_TABLES, *WAREHOUSE_TABLES)}
    assert set(re.findall(r"(?<![\w/@.])(?:mart|mews)\.[a-z]\w*\b", text(page))) <= known | private | OF_RECIPES


@each_page
def test_every_file_that_a_page_names_exists(page):
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w-]+\.(?:py|sql|ya?ml|md|toml|csv|html))`", text(page)))
    for name in named - MADE_BY_RECIPES:
        if not name.startswith(("data/", "build/")):
            starts = ("", "pso_pipeline/", "pso_pipeline_tests/", f"{page.parent.relative_to(ROOT)}/")
            assert any(f"{start}{name}" in FILES for start in starts), f"{page.name} names {name}"


def test_the_reference_of_commands_and_assets_is_current():
    for name, content in runpy.run_path(str(ROOT / "scripts/reference.py"))["pages"]().items():
        assert text(ROOT / "docs" / name) == content, "run `make generated`"


def test_the_reference_has_every_table_and_setting():
    dictionary, settings = text(ROOT / "docs/data-dictionary.md"), text(ROOT / "docs/configuration.md")
    assert all(f"### {table.name}\n" in dictionary for table in MART_TABLES)
    assert all(f"### mews.{endpoint.name}\n" in dictionary for endpoint in ENDPOINTS)
    assert all(f"| `{name}`" in settings or f", `{name}`" in settings for name in every_setting())


def test_every_page_is_in_the_site_and_in_its_index():
    listed = set(re.findall(r'"([^"]+\.md)"', (ROOT / "zensical.toml").read_text()))
    pages = {
        str(page.relative_to(ROOT))
        for page in runpy.run_path(str(ROOT / "scripts/site.py"))["sources"]()
        if page.suffix == ".md"
    }
    assert listed == {page for page in pages if not page.startswith("docs/decisions/0")}
    index = {(ROOT / "docs" / link).resolve() for link in re.findall(r"\]\(([^)#]+)\)", text(ROOT / "docs/README.md"))}
    apart = {"README.md", "docs/README.md", "SECURITY.md", "data/README.md"}
    assert index == {(ROOT / page).resolve() for page in listed - apart}


def test_the_readme_has_a_line_for_each_folder():
    folders = {name.partition("/")[0] for name in FILES if "/" in name and not name.startswith(".")}
    assert set(re.findall(r"^\| `(\w+)/` \|", text(ROOT / "README.md"), re.MULTILINE)) == folders


def test_every_picture_is_used_by_a_page():
    pictures = {name for name in FILES if name.startswith("docs/images/")}
    used = {
        str((page.parent / link).resolve().relative_to(ROOT.resolve()))
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+\.(?:png|svg))\)", text(page))
        if not link.startswith("http")
    }
    assert pictures == used


def test_the_badges_are_true():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert f"python: {', '.join(versions)}" in text(ROOT / "docs/images/badge-python.svg")
    assert f"licence: {project['license']}" in text(ROOT / "docs/images/badge-licence.svg")
    assert any(line.endswith("Beta") for line in project["classifiers"])
    assert "status: beta" in text(ROOT / "docs/images/badge-status.svg")


def test_what_belongs_to_a_numbered_item_is_indented_for_the_site():
    indent = runpy.run_path(str(ROOT / "scripts/site.py"))["indent_items"]
    page = "1. Write:\n\n   ```\n   x\n   ```\n\n2. Run\n   it.\nEnd.\n   kept\n"
    assert indent(page) == "1. Write:\n\n    ```\n    x\n    ```\n\n2. Run\n    it.\nEnd.\n   kept\n"
