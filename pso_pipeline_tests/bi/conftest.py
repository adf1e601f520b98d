"""Marts to publish, a folder to publish them in, and which tests run only where asked."""

import shutil
from pathlib import Path

import pytest

from pso_pipeline_tests.bi.generations import write_generation


@pytest.fixture
def bi_dir(tmp_path):
    return tmp_path / "bi"


@pytest.fixture(scope="session")
def generations(tmp_path_factory):
    """Marts files of generations 1 and 2, to be read and published but not to be changed."""
    folder = tmp_path_factory.mktemp("generations")
    paths = {generation: folder / f"{generation}.duckdb" for generation in (1, 2)}
    write_generation(paths[1], 1)
    shutil.copy(paths[1], paths[2])
    write_generation(paths[2], 2)
    return paths


@pytest.fixture
def marts(generations, tmp_path):
    """A marts file of generation 1, to be changed at will."""
    return Path(shutil.copy(generations[1], tmp_path / "warehouse.marts.duckdb"))


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "compat: opens the snapshot with other tools, in environments of their own (slow)"
    )


def pytest_collection_modifyitems(config, items):
    """Run the tests marked `compat` only where `-m` names them: they install packages."""
    if "compat" in config.getoption("markexpr"):
        return
    unwanted = [item for item in items if item.get_closest_marker("compat")]
    config.hook.pytest_deselected(items=unwanted)
    items[:] = [item for item in items if item not in unwanted]
