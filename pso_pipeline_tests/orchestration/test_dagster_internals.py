"""The private names of Dagster: where they may be used, and what they do."""

import ast
from pathlib import Path

from dagster import AssetKey, AssetPartitionStatus, DynamicPartitionsDefinition, OpExecutionContext, job, op

import pso_pipeline
from pso_pipeline.orchestration.dagster_internals import plan_materialization

PACKAGE = Path(pso_pipeline.__file__).parent
HOTELS = DynamicPartitionsDefinition(name="hotels")
MOST_NAMES = 3


def private_names(path):
    """The names that a module imports from private modules of Dagster."""
    imports = [
        each for each in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(each, ast.ImportFrom)
    ]
    return [
        alias.name
        for each in imports
        if str(each.module).startswith("dagster") and "._" in str(each.module)
        for alias in each.names
    ]


def test_only_one_module_imports_private_names_and_few_of_them():
    found = {path.name: names for path in PACKAGE.rglob("*.py") if (names := private_names(path))}
    assert list(found) == ["dagster_internals.py"]
    assert len(found["dagster_internals.py"]) <= MOST_NAMES


def test_what_a_failed_run_planned_is_shown_as_failed(instance):
    @op
    def plan(context: OpExecutionContext) -> None:
        plan_materialization(context, AssetKey("orders"), "astoria")
        raise RuntimeError

    @job
    def planning() -> None:
        plan()

    instance.add_dynamic_partitions("hotels", ["astoria", "bristol"])
    planning.execute_in_process(instance=instance, raise_on_error=False)
    states = instance.get_status_by_partition(AssetKey("orders"), ["astoria", "bristol"], HOTELS)
    assert states["astoria"] is AssetPartitionStatus.FAILED
    assert states["bristol"] is not AssetPartitionStatus.FAILED
