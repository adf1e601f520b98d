"""A published snapshot of a generated world, and which tests run only where asked."""

import pytest

from pso_pipeline.bi.snapshot import publish
from pso_pipeline_tests.superset.conftest import write_marts

ORDERS = 4_000


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The folder of a published snapshot."""
    folder = tmp_path_factory.mktemp("semantic")
    write_marts(folder / "marts.duckdb", ORDERS)
    publish(folder / "marts.duckdb", folder / "bi")
    return folder / "bi"


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "semantic: runs MetricFlow and others in the environment of `make test-semantic`"
    )


def pytest_collection_modifyitems(config, items):
    """Run the tests marked `semantic` only where `-m` names them: they need an environment of their own."""
    if "semantic" in config.getoption("markexpr"):
        return
    unwanted = [item for item in items if item.get_closest_marker("semantic")]
    config.hook.pytest_deselected(items=unwanted)
    items[:] = [item for item in items if item not in unwanted]
