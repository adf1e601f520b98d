"""MetricFlow, the Data Contract CLI and the schema of Ossie take the published models, and give the same figures.

    make test-semantic

makes the environment that they need, and runs these tests.
"""

import json
import math
import os
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

from pso_pipeline.bi.semantic.files import DATA_CONTRACT, DBT, OSSIE
from pso_pipeline_tests.semantic.slices import (
    COLUMNS,
    ask_data_set,
    ask_snapshot,
    comparable,
    question,
    random_slices,
    rows_of_answer,
)

pytestmark = pytest.mark.semantic

ROOT = Path(__file__).parents[2]
BIN = Path(os.environ.get("SEMANTIC_BIN") or ROOT / ".venv-semantic/bin")
SLICES = 200


def run(command, *, cwd, **options):
    environment = os.environ | {"PSO_BI_DIR": str(options.pop("bi_dir", "")), "DBT_SEND_ANONYMOUS_USAGE_STATS": "0"}
    ended = subprocess.run(
        [BIN / command[0], *map(str, command[1:])],
        check=False,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        **options,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout


@pytest.fixture(scope="module")
def project(published, tmp_path_factory):
    """The published dbt project, copied and built."""
    copy = tmp_path_factory.mktemp("project") / DBT
    shutil.copytree(published / "semantic" / DBT, copy)
    run(["dbt", "build", "--quiet"], cwd=copy, bi_dir=published)
    return copy


@pytest.fixture(scope="module")
def connection(published):
    with duckdb.connect(str(published / "pso_bi.duckdb"), read_only=True) as connection:
        yield connection


def test_200_random_slices_are_the_same_in_our_sql_in_superset_and_in_metricflow(published, project, connection):
    known = {
        table: {
            column: [
                value
                for (value,) in connection.execute(f"SELECT DISTINCT {column} FROM mart.{table} ORDER BY 1").fetchall()
            ]
            for column in columns
        }
        for table, columns in COLUMNS.items()
    }
    slices = random_slices(7, SLICES, known)
    asked = json.dumps([question(each) for each in slices])
    script = Path(__file__).with_name("ask_metricflow.py")
    answers = json.loads(run(["python", script, project], cwd=project, bi_dir=published, input=asked))
    figures = guarded = 0
    for each, answer in zip(slices, answers, strict=True):
        ours = comparable(each, ask_snapshot(connection, each), is_named=False)
        theirs = {
            "Superset": comparable(each, ask_data_set(connection, each), is_named=True),
            "MetricFlow": comparable(each, rows_of_answer(each, answer), is_named=False),
        }
        for program, found in theirs.items():
            assert found.keys() == ours.keys(), (program, each)
            for key, expected in ours.items():
                for metric, one, other in zip(each.metrics, expected, found[key], strict=True):
                    assert same(one, other), (program, each, key, metric, one, other)
                    figures += one is not None
                    guarded += one is None and metric.endswith(("_complete", "_curve"))
    assert figures > 10 * SLICES
    assert guarded > SLICES


def same(one, other):
    if one is None or other is None:
        return one is other
    return math.isclose(float(one), float(other), rel_tol=1e-12, abs_tol=1e-12)


def test_the_data_contract_holds_for_the_snapshot(published):
    contract = published / "semantic" / DATA_CONTRACT
    run(["datacontract", "lint", "--all-errors", contract], cwd=published)
    said = run(["datacontract", "test", contract], cwd=published)
    assert "Data contract is valid" in said


def test_ossie_is_valid_by_its_schema(published):
    code = """
import json, sys
from importlib.util import find_spec
from pathlib import Path
import jsonschema, yaml
schema = json.loads((Path(find_spec("azem").submodule_search_locations[0]) / "spec/ossie-schema.json").read_text())
model = yaml.safe_load(Path(sys.argv[1]).read_text())
validator = jsonschema.Draft202012Validator(schema)
print(json.dumps([[error.message for error in validator.iter_errors(each)] for each in (model, model | {"metric": 1})]))
"""
    valid, spoiled = json.loads(run(["python", "-c", code, published / "semantic" / OSSIE], cwd=published))
    assert valid == []
    assert spoiled
