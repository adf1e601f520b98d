"""What the web UI has to show: columns, previews without persons, figures, SQL, owners; and the instance behind it."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, TableMetadataValue

from pso_pipeline.contract.marts import MART_TABLES, MART_VIEWS
from pso_pipeline.definitions import defs
from pso_pipeline_tests.orchestration.test_jobs import refresh

SPECS = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
NO_TABLE = {"lake_maintenance"}
"""Assets that are no table; this one is not materialized where the warehouse is a file, and so is never late."""

OF_PERSONS = {
    "account_id",
    "booker_id",
    "creator_profile_id",
    "updater_profile_id",
    "origin_details",
    "notes",
    "billing_name",
    "external_identifier",
}


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_asset_says_what_it_is(name):
    spec = SPECS[name]
    first = str(spec.description).splitlines()[0]
    assert first.endswith(".")
    assert "`" not in first
    assert spec.owners
    assert spec.kinds
    assert spec.group_name in {"mews", "metrics", "bi"}
    if name not in NO_TABLE:
        schema = spec.metadata["dagster/column_schema"]
        assert all(column.description for column in schema.columns)
        assert spec.freshness_policy is not None


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_asset_names_what_keeps_it_fresh(name):
    """The web UI shows no automation for an asset that a job of ops reports."""
    jobs = {job.name for job in defs.resolve_all_job_defs()}
    starting = {each.name for each in (*(defs.schedules or ()), *(defs.sensors or ()))}
    (said,) = [part for part in str(SPECS[name].description).split("\n\n") if part.startswith("Kept fresh by ")]
    named = set(re.findall("`([^`]+)`", said))
    assert named & jobs
    assert named <= jobs | starting | set(SPECS)
    assert named & (starting | set(SPECS))


def test_the_sql_of_every_mart_and_the_meaning_of_every_metric_are_shown():
    shown = SPECS["check_in_cancellation_metrics"].metadata
    views = {table.name for table in MART_VIEWS}
    for table in MART_TABLES:
        sql = shown[f"sql_{table.name}"].value
        assert sql.startswith("```sql\n-- ")
        assert ("CREATE OR REPLACE VIEW" if table.name in views else "SELECT") in sql
    assert "cancellation_rate_30d" in shown["metrics"].value
    assert "fct_product_service_orders" in shown["data_dictionary"].value


def test_each_materialization_has_figures_and_a_preview_without_persons(instance, sandbox):
    assert refresh(instance).success
    for name in SPECS.keys() - NO_TABLE:
        spec = SPECS[name]
        event = instance.get_latest_materialization_event(AssetKey(name))
        shown = event.asset_materialization.metadata
        preview = shown["preview"]
        assert isinstance(preview, TableMetadataValue)
        assert preview.records, name
        assert not OF_PERSONS & {column.name for column in preview.schema.columns}
        row_count = "dagster/partition_row_count" if spec.partitions_def else "dagster/row_count"
        assert shown[row_count].value > 0
    shown = instance.get_latest_materialization_event(AssetKey("bi_snapshot")).asset_materialization.metadata
    figures = {name: shown[name].value for name in ("orders", "canceled_orders", "new_orders", "failed_hotels")}
    assert figures == {"orders": 6, "canceled_orders": 2, "new_orders": 6, "failed_hotels": 0}
    # orders and items of two hotels, products of both together: each a page and the empty one after it
    assert shown["requests_for_orders"].value == 4 + 4 + 2
    assert 0 <= shown["lag_minutes"].value < 5


def test_the_instance_that_is_shipped_has_no_first_visit_dialog_and_limits_what_runs(tmp_path, monkeypatch):
    text = files("pso_pipeline.cli").joinpath("dagster.yaml").read_text(encoding="utf-8")
    (tmp_path / "dagster.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with DagsterInstance.get() as instance:
        assert not instance.nux_enabled
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        assert instance.freshness_enabled
        concurrency = instance.get_concurrency_config()
    assert concurrency.pool_config.default_pool_limit == 2
    assert concurrency.run_queue_config is not None
    assert concurrency.run_queue_config.max_concurrent_runs == 4


def test_the_code_location_has_its_name_wherever_it_is_served():
    packaged = files("pso_pipeline.cli").joinpath("workspace.yaml").read_text(encoding="utf-8")
    assert packaged == (Path(__file__).parents[2] / "workspace.yaml").read_text(encoding="utf-8")
    assert "location_name: pso_pipeline\n" in packaged
