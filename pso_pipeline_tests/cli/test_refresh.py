"""Tests of `pso refresh`: its output, its exit status, and errors of one line."""

import json
from pathlib import Path

import duckdb
import pytest

from pso_pipeline.cli.instance import open_instance
from pso_pipeline_tests.cli.conftest import installed_pso, pso


def landed(path="data/warehouse.duckdb"):
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(
            "SELECT name, count(orders.id) FROM mews.enterprises"
            " LEFT JOIN mews.product_service_orders AS orders ON orders.enterprise_id = enterprises.id"
            " GROUP BY ALL ORDER BY ALL"
        ).fetchall()


def test_a_refresh_lands_orders_and_publishes_the_metrics(sandbox):
    result = installed_pso("refresh")
    assert (result.status, result.err) == (0, "")
    assert "2 of 2 hotels up to date: 6 new and 0 changed orders, 0 rejected records" in result.out
    assert landed() == [("Astoria", 3), ("Bristol", 3)]
    assert set(json.loads(Path("data/bi/manifest.json").read_text())["tables"]) >= {"agg_orders_daily", "rpt_orders"}
    again = pso("refresh")
    assert again.status == 0
    assert "0 new and 0 changed orders" in again.out


def test_only_the_named_hotel_is_read(sandbox, world):
    assert pso("refresh").status == 0
    for service in world.snapshot(world.clock.now()).services:
        world.add_order(service, State="Confirmed")
    result = pso("refresh", "--enterprise", "astoria")
    assert result.status == 0
    assert landed() == [("Astoria", 4), ("Bristol", 3)]
    with open_instance(Path("data/dagster")) as instance:
        latest, first = instance.get_runs(limit=2)
    assert (first.tags["pso/hotels"], first.tags["pso/changed_orders"]) == ("2", "6")
    assert (latest.tags["pso/hotels"], latest.tags["pso/changed_orders"]) == ("1", "1")


def test_an_unknown_hotel_is_a_usage_error(sandbox):
    result = pso("refresh", "--enterprise", "atlantis-00000000")
    assert result.status == 2
    assert result.error_line == "pso: no such enterprise: atlantis-00000000; `pso status` lists the keys"


def test_full_reads_all_history_and_marks_missing_orders(sandbox, world):
    assert pso("refresh").status == 0
    for service in world.snapshot(world.clock.now()).services:
        for _ in range(9):
            world.add_order(service, State="Confirmed")
    assert pso("refresh").status == 0
    world.remove(world.snapshot(world.clock.now()).orders[0])
    first, second = pso("refresh", "--full"), pso("refresh", "--full")
    assert (first.status, second.status) == (0, 0)
    assert "1 orders were not found, and are marked missing if the next full read does not find them" in first.out
    assert "1 orders newly marked missing from the source" in second.out


def test_a_refused_token_fails_only_its_own_hotels(sandbox, monkeypatch):
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "astoria,bristol")
    assert pso("refresh").status == 0
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "astoria,revoked")
    result = pso("refresh")
    assert result.status == 1
    assert "enterprises/getAll: the token was refused" in result.err
    assert "RequestId" in result.err
    assert "revoked" not in result.out + result.err


def test_a_wrong_token_is_one_line(sandbox):
    result = pso("refresh", MEWS_ACCESS_TOKENS="not-a-token-of-this-world")
    assert result.status == 1
    assert result.error_line.startswith("pso: enterprises/getAll: the token was refused")
    assert "not-a-token-of-this-world" not in result.out + result.err


def test_an_unreachable_address_is_one_line(sandbox):
    result = pso("refresh", MEWS_PLATFORM_ADDRESS="http://127.0.0.1:9")
    assert result.status == 1
    assert result.error_line == ("pso: enterprises/getAll: http://127.0.0.1:9 cannot be reached: nothing listens there")


@pytest.mark.parametrize("command", ["refresh", "check"])
def test_missing_settings_are_a_line_each_and_then_what_to_do(command):
    result = pso(command)
    assert result.status == 2
    *lines, last = result.err.splitlines()
    names = ("MEWS_PLATFORM_ADDRESS", "MEWS_CLIENT_TOKEN", "MEWS_ACCESS_TOKENS")
    for line, name in zip(lines, names, strict=True):
        assert line.startswith(f"pso: {name} is not set: it takes ")
    assert last == "pso: `pso init` writes a file .env to fill in; see docs/configuration.md"


def test_the_env_file_is_read_and_an_empty_variable_counts_as_not_set(sandbox, monkeypatch):
    Path(".env").write_text(f"MEWS_ACCESS_TOKENS={sandbox.world.access_token}\n")
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "")
    assert pso("refresh").status == 0
    Path(".env").write_text("MEWS_ACCESS_TOKENS=\n")
    assert "MEWS_ACCESS_TOKENS is not set" in pso("check").err


@pytest.mark.parametrize(
    ("setting", "value", "status", "error_line"),
    [
        ("PSO_WAREHOUSE", "/proc/nothing/here.duckdb", 1, "/proc/nothing/here.marts.duckdb.lock cannot be locked"),
        ("PSO_WAREHOUSE", "a.text", 1, "a.text is damaged, or no DuckDB file"),
        ("DAGSTER_HOME", "/proc/nothing", 2, "DAGSTER_HOME /proc/nothing cannot be used"),
    ],
)
def test_an_unusable_path_is_named(sandbox, setting, value, status, error_line):
    Path("a.text").write_text("not a database, and some more bytes than nothing")
    result = pso("refresh", **{setting: value})
    assert result.status == status
    assert result.error_line.startswith(f"pso: {error_line}")


def test_orders_of_the_sandbox_and_of_the_real_api_never_mix(sandbox):
    assert pso("refresh").status == 0
    result = pso("check", MEWS_PLATFORM_ADDRESS="https://api.mews.com", HTTPS_PROXY="http://127.0.0.1:9")
    assert result.status == 1
    assert "set PSO_WAREHOUSE to a file of its own" in result.out
