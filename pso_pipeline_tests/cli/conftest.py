"""Helpers that run the `pso` command, and a sandbox whose address and tokens are in the environment."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from pso_pipeline.cli import main
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve

PSO = str(Path(sys.executable).with_name("pso"))


@dataclass(frozen=True)
class Result:
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str

    @property
    def error_line(self) -> str:
        """The one line on standard error."""
        (line,) = self.err.splitlines()
        return line


def pso(*arguments: str, **settings: str) -> Result:
    """Run the command in this process, which saves each test the import of Dagster."""
    done = CliRunner().invoke(main, arguments, env=settings)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return Result(done.exit_code, done.stdout, done.stderr)


def installed_pso(*arguments: str, **settings: str) -> Result:
    """Run the installed command in the working directory of the test."""
    done = subprocess.run(
        [PSO, *arguments], capture_output=True, text=True, timeout=120, env={**os.environ, **settings}, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def world():
    world = ScriptedWorld()
    for name in ("Astoria", "Bristol"):
        hotel = world.add_enterprise(Name=name)
        service = world.add_service(hotel)
        world.grant(name.lower(), [hotel])
        for state in ("Confirmed", "Started", "Canceled"):
            world.add_order(service, State=state)
    return world


@pytest.fixture
def sandbox(world, monkeypatch, tmp_path):
    # the files of the rate limiter, which all processes of one user share
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serve(world) as running:
        monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", running.address)
        monkeypatch.setenv("MEWS_CLIENT_TOKEN", world.client_token)
        monkeypatch.setenv("MEWS_ACCESS_TOKENS", world.access_token)
        yield running
