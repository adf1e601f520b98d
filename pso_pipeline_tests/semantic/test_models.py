"""The committed models are in step with their sources, refer to what is there, compute our figures, are published."""

import hashlib
import json
import re

import duckdb
import pytest
import yaml

from pso_pipeline.bi.folder import current_snapshot
from pso_pipeline.bi.semantic.committed import committed_models
from pso_pipeline.bi.semantic.data_contract import data_contract
from pso_pipeline.bi.semantic.files import DATA_CONTRACT, make_models
from pso_pipeline.bi.semantic.ossie import ossie_model
from pso_pipeline.bi.snapshot import publish
from pso_pipeline.contract.marts import MART_TABLES, RPT_ORDERS
from pso_pipeline_tests.semantic.slices import definitions_of_metrics

DBT = yaml.safe_load(make_models()["dbt/models/pso_bi.yml"])
OSSIE = ossie_model()


@pytest.fixture(scope="module")
def connection(published):
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{published}/pso_bi.duckdb' AS pso_bi (READ_ONLY)")
        yield connection


def test_the_committed_files_are_in_step_with_their_sources():
    assert {path: content.decode() for path, content in committed_models().items()} == make_models(), "make generated"


def test_every_metric_is_in_each_model_under_its_name():
    assert {metric["name"] for metric in OSSIE["metrics"]} == set(definitions_of_metrics())
    assert set(definitions_of_metrics()) <= {metric["name"] for metric in DBT["metrics"]}


def test_dbt_refers_to_metrics_and_measures_that_are_there():
    measures = [each["name"] for model in DBT["semantic_models"] for each in model.get("measures", ())]
    metrics = {metric["name"]: metric["type_params"] for metric in DBT["metrics"]}
    assert len(metrics) == len(DBT["metrics"])
    assert len(set(measures)) == len(measures)
    labels = [metric["label"] for metric in DBT["metrics"]]
    assert len(set(labels)) == len(labels)
    for said in metrics.values():
        named = [each["name"] for each in said.get("metrics", ())]
        named += [said[part] for part in ("numerator", "denominator") if part in said]
        assert set(named) <= set(metrics)
        assert said.get("measure", measures[0]) in measures
        words = set(re.findall(r"[a-z_]\w+", said.get("expr", "")))
        assert words <= set(named)


def test_ossie_joins_every_dimension_by_its_whole_key():
    keys = {dataset["name"]: dataset["primary_key"] for dataset in OSSIE["datasets"]}
    fields = {dataset["name"]: {field["name"] for field in dataset["fields"]} for dataset in OSSIE["datasets"]}
    assert set(keys) == {table.name for table in MART_TABLES if table is not RPT_ORDERS}
    for each in OSSIE["relationships"]:
        assert each["to_columns"] == keys[each["to"]]
        assert set(each["from_columns"]) <= fields[each["from"]]
    assert len(OSSIE["relationships"]) > 20


def test_ossie_computes_our_figures(connection):
    """Its SQL is standard, and each column is qualified by its data set."""
    sources = {dataset["name"]: dataset["source"] for dataset in OSSIE["datasets"]}
    definitions = definitions_of_metrics()
    known = 0
    for metric in OSSIE["metrics"]:
        table, day, ours = definitions[metric["name"]]
        (theirs,) = [each["expression"] for each in metric["expression"]["dialects"]]
        group = f"{day}, {'currency' if 'currency' in theirs else 'service_id'}"
        query = f"FROM {sources[table]} AS {table} GROUP BY {group} ORDER BY {group}"
        expected = connection.execute(f"SELECT {ours} {query}").fetchall()
        assert connection.execute(f"SELECT {theirs} {query}").fetchall() == expected, metric["name"]
        known += any(value for (value,) in expected)
    assert known == len(OSSIE["metrics"])


def test_the_contract_has_every_column_of_every_published_table(connection):
    found = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE schema_name = 'mart' ORDER BY ALL"
    ).fetchall()
    said = [
        (table["name"], column["name"], column["physicalType"])
        for table in data_contract()["schema"]
        for column in table["properties"]
    ]
    assert sorted(said) == found


def test_the_files_are_published_and_listed(published):
    snapshot = current_snapshot(published)
    assert snapshot.is_complete
    listed = {file.file: file for file in snapshot.manifest.files}
    for path, content in committed_models().items():
        assert (published / "semantic" / path).read_bytes() == content
        assert listed[f"semantic/{path}"].bytes == len(content)
        assert listed[f"semantic/{path}"].sha256 == hashlib.sha256(content).hexdigest()
    assert not (published / "semantic" / DATA_CONTRACT).stat().st_mode & 0o222


def test_a_snapshot_without_them_is_published_again(published, tmp_path):
    """As it is after an upgrade from a version that had none, or others."""
    marts = published.parent / "marts.duckdb"
    first = publish(marts, tmp_path).snapshot.directory
    assert not publish(marts, tmp_path).is_new
    manifest = json.loads((first / "manifest.json").read_text())
    del manifest["semantic"]
    (first / "manifest.json").chmod(0o644)
    (first / "manifest.json").write_text(json.dumps(manifest))
    again = publish(marts, tmp_path)
    assert (again.is_new, again.rewritten) == (True, ())
    assert len(again.snapshot.manifest.semantic) == len(committed_models())
