"""Tests that the code location loads without development packages and without settings."""

import re
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions

from packaging.requirements import Requirement

# charts are compiled in development; the two stores of the limiter are imported where `PSO_LIMITER` names them, and
# need the extra `distributed`
IMPORT_EVERYTHING = """
import importlib, pkgutil, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r} at run time", name=name)

missing = set(sys.argv[1:])
sys.meta_path.insert(0, Missing())
from pso_pipeline.definitions import defs
import pso_pipeline
for module in pkgutil.walk_packages(pso_pipeline.__path__, "pso_pipeline."):
    if not module.name.endswith(("__main__", "bi.report.charts", "limiter.postgres", "limiter.redis")):
        importlib.import_module(module.name)
print(len(list(defs.resolve_all_asset_keys())))
"""


def runtime_distributions():
    """Return the normalized names of the packages that `pip install pso-pipeline` installs."""
    found: set[str] = set()
    waiting: list[tuple[str, set[str]]] = [("pso-pipeline", set())]
    while waiting:
        name, extras = waiting.pop()
        name = _normal(name)
        if name in found and not extras:
            continue
        found.add(name)
        waiting += [
            (requirement.name, requirement.extras)
            for requirement in map(Requirement, distribution(name).requires or [])
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in {"", *extras})
        ]
    return found


def _normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def development_modules():
    """Return the installed top-level modules that belong to no runtime package."""
    runtime = runtime_distributions()
    return sorted(
        module
        for module, owners in packages_distributions().items()
        if module.isidentifier() and not {_normal(owner) for owner in owners} & runtime
    )


def test_it_starts_without_the_development_packages(tmp_path):
    missing = development_modules()
    assert {"pytest", "hypothesis", "mypy", "importlinter", "playwright", "altair", "duckdb_extension_ducklake"} <= set(
        missing
    )
    assert not {"dagster", "duckdb", "pandas", "httpx", "click"} & set(missing)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", IMPORT_EVERYTHING, *missing],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "8"), done.stderr
