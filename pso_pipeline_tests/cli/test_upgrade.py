"""An installation of the version before is taken through the steps of docs/upgrades.md, and loses nothing."""

import contextlib
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pso_pipeline.cli.instance import open_instance
from pso_pipeline.warehouse.schema import SCHEMA_VERSION
from pso_pipeline_tests.cli.conftest import pso
from pso_pipeline_tests.ingestion.test_upgrading import TOKEN, VERSION_4, make_source
from pso_pipeline_tests.warehouse.files import old_database

PAGE = Path(__file__).parents[2] / "docs/upgrades.md"
HOME = Path("data/dagster")
FORMER_REVISION = "6b7fb194ff9c"
"""Dagster's storage before the column `concurrency_limits.using_default_limit`."""


@pytest.fixture
def world():
    return make_source()


def make_old_warehouse():
    for path in Path("data").glob("warehouse*"):
        path.unlink()
    with old_database("data/warehouse.duckdb") as connection:
        connection.execute(VERSION_4.read_text(encoding="utf-8"))


def make_old_storage():
    """Take Dagster's files back to the revision before."""
    for path in (*HOME.rglob("*.db"),):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "concurrency_limits" in tables:
                connection.execute("ALTER TABLE concurrency_limits DROP COLUMN using_default_limit")
            if "alembic_version" in tables:
                connection.execute("UPDATE alembic_version SET version_num = ?", [FORMER_REVISION])
            connection.commit()


def revisions():
    found: set[str] = set()
    for path in HOME.rglob("*.db"):
        with contextlib.closing(sqlite3.connect(path)) as connection, contextlib.suppress(sqlite3.OperationalError):
            found.update(version for (version,) in connection.execute("SELECT version_num FROM alembic_version"))
    return found


def commands_of_the_page():
    """The commands of the page, without the installation."""
    block = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    lines = (line.partition("  #")[0].strip() for line in block.splitlines())
    return [line for line in lines if line and not line.startswith(("#", "git "))]


def run(line):
    if line.startswith("pso "):
        return pso(*shlex.split(line.replace("$(date +%F)", "today"))[1:]).status
    words = shlex.split(line.replace("DAGSTER_HOME=$PWD/data/dagster ", ""))
    assert words[0] == "dagster"
    environment = {**os.environ, "DAGSTER_HOME": str(HOME.absolute())}
    return subprocess.run([sys.executable, "-m", *words], env=environment, check=False).returncode


def materialized():
    with open_instance(HOME) as instance:
        found = {key: instance.get_latest_materialization_event(key) for key in instance.get_asset_keys()}
    return {key.to_user_string() for key, event in found.items() if event}


def test_a_warehouse_and_a_dagster_home_of_the_version_before_go_on(sandbox, world, monkeypatch, any_server_time):
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", TOKEN)
    Path("data").mkdir()
    make_old_warehouse()
    assert pso("refresh").status == 0
    before = materialized()
    make_old_warehouse()
    make_old_storage()
    assert revisions() == {FORMER_REVISION}

    lines = commands_of_the_page()
    assert [line.split()[-2:] for line in lines if "dagster instance" in line] == [["instance", "migrate"]]
    assert {line: run(line) for line in lines} == dict.fromkeys(lines, 0)

    assert len(revisions()) == 1
    assert revisions() != {FORMER_REVISION}
    with duckdb.connect("data/warehouse.duckdb", read_only=True) as connection:
        assert connection.execute("SELECT schema_version FROM mews.warehouse_info").fetchall() == [(SCHEMA_VERSION,)]
    assert len(list(Path("data").glob("warehouse.duckdb.version-4-*"))) == 1
    assert materialized() == before
    assert pso("status", PSO_STALE_AFTER_HOURS="8760").status == 0
