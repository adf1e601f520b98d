"""`pso refresh`: what it prints, how it ends, and what a mistake costs: one line."""

import json
from pathlib import Path

import duckdb
import pytest

from pso_pipeline_tests.cli.conftest import installed_pso, pso


def landed(path="data/warehouse.duckdb"):
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(
            "SELECT name, count(orders.id) FROM mews.enterprises"
            " LEFT JOIN mews.product_service_orders AS orders ON orders.enterprise_id = enterprises.id"
            " GROUP BY ALL ORDER BY ALL"
        ).fetchall()


def test_a_refresh_lands_derives_and_publishes(sandbox):
    said = installed_pso("refresh")
    assert (said.status, said.err) == (0, "")
    assert "2 of 2 hotels up to date: 6 new and 0 changed orders, 0 rejected records" in said.out
    assert landed() == [("Astoria", 3), ("Bristol", 3)]
    assert set(json.loads(Path("data/bi/manifest.json").read_text())["tables"]) >= {"agg_orders_daily", "rpt_orders"}
    again = pso("refresh")
    assert again.status == 0
    assert "0 new and 0 changed orders" in again.out


def test_only_the_named_hotel_is_read(sandbox, world):
    assert pso("refresh").status == 0
    for service in world.snapshot(world.clock.now()).services:
        world.add_order(service, State="Confirmed")
    said = pso("refresh", "--enterprise", "astoria-00000001")
    assert said.status == 0
    assert landed() == [("Astoria", 4), ("Bristol", 3)]


def test_a_hotel_that_nobody_knows_is_a_usage_error(sandbox):
    said = pso("refresh", "--enterprise", "atlantis-00000000")
    assert said.status == 2
    assert said.complaint == "pso: no such enterprise: atlantis-00000000; `pso status` lists the keys"


def test_full_reads_all_again_and_marks_what_is_gone(sandbox, world):
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


def test_one_refused_token_fails_its_hotels_and_no_other(sandbox, monkeypatch):
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "astoria,bristol")
    assert pso("refresh").status == 0
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "astoria,revoked")
    said = pso("refresh")
    assert said.status == 1
    assert "enterprises/getAll: the token was refused" in said.err
    assert "RequestId" in said.err
    assert "revoked" not in said.out + said.err


def test_a_wrong_token_is_one_line(sandbox):
    said = pso("refresh", MEWS_ACCESS_TOKENS="not-a-token-of-this-world")
    assert said.status == 1
    assert said.complaint.startswith("pso: enterprises/getAll: the token was refused")
    assert "not-a-token-of-this-world" not in said.out + said.err


def test_an_address_where_nobody_listens_is_one_line(sandbox):
    said = pso("refresh", MEWS_PLATFORM_ADDRESS="http://127.0.0.1:9")
    assert said.status == 1
    assert said.complaint == ("pso: enterprises/getAll: http://127.0.0.1:9 cannot be reached: nothing listens there")


@pytest.mark.parametrize("command", ["refresh", "status", "check", "report"])
def test_missing_settings_are_one_line(command):
    said = pso(command)
    assert said.status == 2
    for name in ("MEWS_PLATFORM_ADDRESS", "MEWS_CLIENT_TOKEN", "MEWS_ACCESS_TOKENS"):
        assert f"{name} is not set: it takes " in said.complaint
    assert "docs/configuration.md" in said.complaint


def test_a_setting_file_is_read_and_an_empty_variable_counts_as_not_set(sandbox, monkeypatch):
    Path(".env").write_text(f"MEWS_ACCESS_TOKENS={sandbox.world.access_token}\n")
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "")
    assert pso("refresh").status == 0
    Path(".env").write_text("MEWS_ACCESS_TOKENS=\n")
    assert "MEWS_ACCESS_TOKENS is not set" in pso("check").complaint


@pytest.mark.parametrize(
    ("setting", "value", "status", "complaint"),
    [
        ("PSO_WAREHOUSE", "/proc/nothing/here.duckdb", 1, "/proc/nothing/here.marts.duckdb.lock cannot be locked"),
        ("PSO_WAREHOUSE", "a.text", 1, "a.text is damaged, or no DuckDB file"),
        ("DAGSTER_HOME", "/proc/nothing", 2, "DAGSTER_HOME /proc/nothing cannot be used"),
    ],
)
def test_a_place_that_cannot_be_used_is_named(sandbox, setting, value, status, complaint):
    Path("a.text").write_text("not a database, and some more bytes than nothing")
    said = pso("refresh", **{setting: value})
    assert said.status == status
    assert said.complaint.startswith(f"pso: {complaint}")


def test_orders_of_the_sandbox_and_of_the_real_api_never_mix(sandbox):
    assert pso("refresh").status == 0
    said = pso("status", MEWS_PLATFORM_ADDRESS="https://api.mews.com")
    assert said.status == 1
    assert "set PSO_WAREHOUSE to a file of its own" in said.complaint
