"""`pyproject.toml` declares every package that the code imports, and no other one without a reason."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

NOT_IMPORTED = {
    "aiohttp": "httpx-aiohttp sends the requests with it; the lower bound is ours",
    "dagster-webserver": "`dagster dev` and `pso demo` start it by its name",
}
"""Packages of the run time that no module imports, each with the reason to declare it."""

TOOLS = {
    "dagster-dg-cli",
    "import-linter",
    "mypy",
    "pandas-stubs",
    "pip",
    "pytest-xdist",
    "ruff",
    "types-pyyaml",
}
"""Development packages that are commands, plugins or types; no test imports them."""


def imported_distributions(*folders):
    """Normalized names of the distributions whose modules are imported anywhere below the folders."""
    modules = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(node.module.partition(".")[0])
    owners = packages_distributions()
    others = modules - sys.stdlib_module_names - {"pso_pipeline", "pso_pipeline_tests", "benchmarks"}
    return {normal(owner) for module in others for owner in owners.get(module, [module])}


def declared(*extras):
    """Normalized names of the declared distributions: those of the run time, or those of extras."""
    if not extras:
        return {normal(Requirement(line).name) for line in PROJECT["dependencies"]}
    groups = PROJECT["optional-dependencies"]
    return {normal(Requirement(line).name) for extra in extras for line in groups[extra]}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_of_the_package_is_declared():
    assert imported_distributions("pso_pipeline") - declared("ducklake") <= declared()


def test_every_declared_package_is_imported_or_has_a_reason():
    assert declared() - imported_distributions("pso_pipeline") == NOT_IMPORTED.keys() & declared()


def test_every_import_of_the_tests_and_benchmarks_is_declared():
    peers = {"airbyte", "dlt", "singer-sdk"}
    used = imported_distributions("pso_pipeline_tests", "benchmarks", "dashboards") - peers
    assert used <= declared() | declared("dev", "ducklake", "smoke")


def test_every_development_package_is_used():
    used = imported_distributions("pso_pipeline_tests", "benchmarks") - declared()
    assert declared("dev", "smoke") - TOOLS <= used


@pytest.mark.parametrize("line", PROJECT["dependencies"])
def test_every_package_has_a_lower_bound(line):
    assert any(bound.operator == ">=" for bound in Requirement(line).specifier), "`make test-lowest` resolves it"
