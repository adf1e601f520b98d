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

BUILD = {ROOT / "pso_pipeline/bi/report/charts.py"}
"""Modules of the package that only `python -m pso_pipeline.bi.report.charts` imports, to compile what is committed."""

RUN_TIME = set((ROOT / "pso_pipeline").rglob("*.py")) - BUILD
DEVELOPMENT = {*BUILD, *(ROOT / "pso_pipeline_tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")}
ELSEWHERE = {"airbyte", "dlt", "singer-sdk", "dbt-metricflow", "metricflow"}
"""Tools that `make bench` and `make test-semantic` install into environments of their own."""

NOT_IMPORTED = {
    "dagster-webserver": "`dagster dev` and `pso demo` start it by its name",
}
"""Packages of the run time that no module imports, each with the reason to declare it."""

TOOLS = {
    "check-jsonschema",
    "dagster-dg-cli",
    "import-linter",
    "kubernetes-validate",
    "mypy",
    "pandas-stubs",
    "pip",
    "pytest-xdist",
    "ruff",
    "types-pyyaml",
    "zensical",
}
"""Development packages that are commands, plugins or types; no test imports them."""


def imported_distributions(paths):
    """Normalized names of the distributions whose modules the files import, anywhere in them."""
    modules = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                modules.add(node.module.partition(".")[0])
    owners = packages_distributions()
    others = modules - sys.stdlib_module_names - {"_typeshed", "pso_pipeline", "pso_pipeline_tests", "benchmarks"}
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
    assert imported_distributions(RUN_TIME) - declared("ducklake", "distributed") <= declared()


def test_every_declared_package_is_imported_or_has_a_reason():
    assert declared() - imported_distributions(RUN_TIME) == set(NOT_IMPORTED)


def test_every_import_of_development_is_declared():
    known = declared() | declared("dev", "distributed", "ducklake", "postgres", "smoke")
    assert imported_distributions(DEVELOPMENT) - ELSEWHERE <= known


def test_every_development_package_is_used():
    assert declared("dev", "smoke") - imported_distributions(DEVELOPMENT) == TOOLS


@pytest.mark.parametrize("line", PROJECT["dependencies"])
def test_every_package_has_a_lower_bound(line):
    assert any(bound.operator == ">=" for bound in Requirement(line).specifier), "`make test-lowest` resolves it"
