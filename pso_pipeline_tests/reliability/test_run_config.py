"""Tests that a run configuration cannot read values from the environment."""

import base64
import json

import pytest
from dagster import DagsterInstance, DagsterInvalidConfigError, Failure, validate_run_config
from dagster._config import ConfigTypeKind

from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.orchestration.definitions import PIPELINE, defs
from pso_pipeline.orchestration.jobs import look_back_of
from pso_pipeline.orchestration.resources import one_line_failures
from pso_pipeline.orchestration.steps import enterprise_ids_of

TOKEN = "C66EF7B239D24632943D115EDE9CB810-EA00F8FD8294692C940F6B5A8F9453D"
FROM_ENVIRONMENT = {"env": "MEWS_ACCESS_TOKENS"}

JOBS = {job.name: job for job in defs.get_repository_def().get_all_jobs()}


def leaves(config_type, path=()):
    """Yield the path and the type of each value of a schema."""
    kind = config_type.kind
    if ConfigTypeKind.has_fields(kind):
        for name, field in config_type.fields.items():
            yield from leaves(field.config_type, (*path, name))
    elif kind in {ConfigTypeKind.ARRAY, ConfigTypeKind.NONEABLE, ConfigTypeKind.MAP}:
        yield from leaves(config_type.inner_type, (*path, 0) if kind is ConfigTypeKind.ARRAY else path)
    else:
        yield path, config_type


def config_with(path, value):
    """Return a run configuration with the value at this path."""
    for part in reversed(path):
        value = [value] if part == 0 else {part: value}
    return value


def outcome(job, run_config):
    """Return the validated values of a run configuration, or the error."""
    try:
        return json.dumps(validate_run_config(job, run_config), default=str)
    except DagsterInvalidConfigError as error:
        return str(error)


# Dagster's order of steps without dependencies changes from process to process, and pytest-xdist compares them
PLACES = sorted(
    (
        (name, path, config_type)
        for name, job in JOBS.items()
        for path, config_type in leaves(job.run_config_schema.config_type)
    ),
    key=lambda place: (place[0], str(place[1])),
)


def test_every_kind_of_job_is_tested():
    assert {"refresh", "full_resync", "__ASSET_JOB"} <= set(JOBS)
    paths = {".".join(map(str, path)) for _, path, _ in PLACES}
    assert {"ops.sync_orders.config.enterprises.0", "ops.sync_orders.config.full"} <= paths
    assert "ops.product_service_orders.config.full" in paths


@pytest.mark.parametrize(
    ("job", "path", "config_type"), PLACES, ids=[f"{job}-{'.'.join(map(str, path))}" for job, path, _ in PLACES]
)
def test_no_value_is_read_from_the_environment(monkeypatch, job, path, config_type):
    """Dagster refuses the reference, or does not use the value."""
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", TOKEN)
    assert config_type.kind is not ConfigTypeKind.SCALAR_UNION
    assert TOKEN not in outcome(JOBS[job], config_with(path, FROM_ENVIRONMENT))


@pytest.mark.parametrize("keys", [[FROM_ENVIRONMENT], FROM_ENVIRONMENT], ids=["key", "keys"])
def test_a_run_with_a_variable_as_key_is_refused(monkeypatch, tmp_path, keys):
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", TOKEN)
    prepare_dagster_home(tmp_path / "dagster")
    with DagsterInstance.get() as instance, pytest.raises(DagsterInvalidConfigError) as refused:
        defs.get_job_def("refresh").execute_in_process(
            instance=instance, run_config={"ops": {"sync_orders": {"config": {"enterprises": keys}}}}
        )
    assert "Invalid scalar" in str(refused.value) or "must be list" in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_a_token_as_partition_key_is_masked(monkeypatch, tmp_path, warehouse):
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", TOKEN)
    monkeypatch.setenv("MEWS_CLIENT_TOKEN", "client")
    monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", "http://127.0.0.1:9")
    monkeypatch.setenv("PSO_WAREHOUSE", warehouse.location)
    with pytest.raises(Failure) as failed:
        enterprise_ids_of(PIPELINE, [TOKEN])
    assert failed.value.description == "the warehouse has no enterprise ***: materialize `enterprises` first"


def test_an_unexpected_error_with_a_token_in_it_is_replaced(monkeypatch):
    """Dagster stores the text, the causes and the traceback of an error."""
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", TOKEN)
    with pytest.raises(Failure) as failed, one_line_failures():
        raise RuntimeError("no luck with " + base64.b64encode(TOKEN.encode()).decode()) from KeyError(TOKEN)
    assert failed.value.description == "RuntimeError: no luck with ***A=="
    assert failed.value.__suppress_context__


def test_an_unexpected_error_without_a_secret_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", TOKEN)
    with pytest.raises(KeyError), one_line_failures():
        raise KeyError("x")


@pytest.mark.parametrize("days", [-1.0, 1e300])
def test_a_look_back_out_of_range_is_one_line(days):
    with pytest.raises(Failure, match="look_back_days takes a number from 0 to 36500"):
        look_back_of(days)
