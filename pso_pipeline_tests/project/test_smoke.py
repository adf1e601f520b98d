"""The shortest walk through everything: load the code location, refresh a small sandbox, publish it, write the report.

`make test-lowest` runs these tests with the lowest versions that `pyproject.toml` admits.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pso_pipeline_tests.fakes.scripted import ScriptedWorld

PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def world():
    world = ScriptedWorld()
    for name in ("Astoria", "Bristol"):
        service = world.add_service(world.add_enterprise(Name=name))
        for state in ("Confirmed", "Started", "Canceled"):
            world.add_order(service, State=state)
    return world


@pytest.fixture
def run(monkeypatch, tmp_path):
    # the rate limiter's files, which processes of one user share
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def run_program(program, *arguments):
        command = [PROGRAMS / program, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run_program


def test_the_code_location_loads(run):
    assert run("dagster", "definitions", "validate", "-m", "pso_pipeline.definitions") is not None


def test_the_web_server_starts(run):
    assert "dagster-webserver" in run("dagster-webserver", "--version")


def test_a_refresh_lands_publishes_and_reports(run, sandbox, world):
    assert "can access 2 enterprise(s)" in run("pso", "check")
    assert "2 of 2 hotels up to date: 6 new and 0 changed orders" in run("pso", "refresh")
    world.add_order(world.snapshot(world.clock.now()).services[0], State="Confirmed")
    assert "2 of 2 hotels up to date: 1 new and 0 changed orders" in run("pso", "refresh")
    with duckdb.connect("data/bi/pso_bi.duckdb", read_only=True) as snapshot:
        hotels = snapshot.execute("SELECT enterprise_name, count(*) FROM mart.rpt_orders GROUP BY ALL").fetchall()
        assert sorted(hotels) in ([("Astoria", 3), ("Bristol", 4)], [("Astoria", 4), ("Bristol", 3)])
    assert json.loads(Path("data/bi/manifest.json").read_text())["tables"]["rpt_orders"]["rows"] == 7
    assert [hotel["status"] for hotel in json.loads(run("pso", "status", "--json"))] == ["fresh", "fresh"]
    run("pso", "report", "--output", "report.html")
    assert "Astoria" in Path("report.html").read_text()
