"""Tests that the environment wins over `.env` in `pso` and in all Dagster processes."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.settings import Settings, SettingsError
from pso_pipeline_tests.fakes.faults import Hang
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
UNREACHABLE = "http://127.0.0.1:9"
MODULE = ("-m", "pso_pipeline.definitions")
TIMEOUT_SECONDS = 300
ENDING_SECONDS = 60


@pytest.fixture
def world():
    world = ScriptedWorld()
    world.add_order(world.add_service(world.add_enterprise(Name="Astoria")))
    return world


@pytest.fixture
def sandbox(world):
    with serve(world, requests_per_window=None) as running:
        yield running


@pytest.fixture
def environment(sandbox, world, tmp_path):
    """Valid settings; `.env` contains a wrong address, an empty token, and the one token that is missing here."""
    Path(".env").write_text(
        f"MEWS_PLATFORM_ADDRESS={UNREACHABLE}\nMEWS_CLIENT_TOKEN=\nMEWS_ACCESS_TOKENS={world.access_token}\nPSO_BI_DIR=other\n"
    )
    return {
        **os.environ,
        "MEWS_PLATFORM_ADDRESS": sandbox.address,
        "MEWS_CLIENT_TOKEN": world.client_token,
        "MEWS_ACCESS_TOKENS": "",
        "PSO_BI_DIR": str(tmp_path / "published"),
        "DAGSTER_HOME": str(prepare_dagster_home(tmp_path / "dagster")),
        "PYTHONWARNINGS": "ignore",
    }


@pytest.mark.parametrize(
    "command",
    [
        (str(BIN / "pso"), "refresh"),
        (str(BIN / "dagster"), "job", "execute", *MODULE, "-j", "refresh"),
        (sys.executable, *("-m", "dagster"), "job", "execute", *MODULE, "-j", "refresh"),
    ],
    ids=["pso", "dagster", "module"],
)
def test_a_command_uses_the_environment(environment, tmp_path, command):
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "published" / "manifest.json").exists()
    assert not Path("other").exists()


def test_dagster_dev_uses_the_environment(environment, sandbox, tmp_path):
    """`dagster dev` passes its environment on to the code server, and that to the runs, which read orders."""
    is_read = threading.Event()

    def note(_body):
        is_read.set()
        return False

    sandbox.faults.add(Hang(), operation="productServiceOrders/getAll", when=note)
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    log = tmp_path / "dagster.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(BIN / "dagster"), "dev", *MODULE, "-p", port],
            env=environment,
            stdout=output,
            stderr=output,
            process_group=0,
        )
        try:
            assert is_read.wait(TIMEOUT_SECONDS), log.read_text()[-3000:]
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(ENDING_SECONDS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), ".env is a folder: it takes a text file"),
        (lambda path: path.write_bytes(b"MEWS_CLIENT_TOKEN=\xff\xfe"), ".env is not UTF-8 text: save it as UTF-8"),
        (
            lambda path: path.write_bytes(b"MEWS_CLIENT_TOKEN=a\0b"),
            ".env contains NUL characters: save it as plain text",
        ),
        (lambda path: path.symlink_to(path), None),
    ],
    ids=["folder", "encoding", "NUL", "loop"],
)
def test_an_unreadable_file_is_one_line_and_the_code_location_loads(tmp_path, make, message):
    make(tmp_path / ".env")
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(message or ".env cannot be read: ")
    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import pso_pipeline.definitions"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert len(loaded.stderr.splitlines()) == 1


def uncommented(*chosen):
    """Return the settings in `.env.example`, uncommented: all, or those with this prefix."""
    lines = re.findall(r"^# ([A-Z_]+=.*)$", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    return [line for line in lines if not chosen or line.startswith(chosen)]


def test_the_example_sets_nothing():
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert len(uncommented()) > 5
    assert all(line == "" or line.startswith("# ") for line in lines)


@pytest.mark.parametrize("line", [*uncommented(), "\n".join(uncommented())])
def test_every_line_of_the_example_can_be_uncommented(monkeypatch, line):
    monkeypatch.setenv("MEWS_CLIENT_TOKEN", "client")
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "access")
    if "MEWS_PLATFORM_ADDRESS" not in line:
        monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", "https://api.example")
    Path(".env").write_text(line, encoding="utf-8")
    settings = Settings.load()
    assert [token.get_secret_value() for token in settings.mews_access_tokens] == ["access"]
    assert settings.dagster_home == Path("data/dagster")


def test_dagster_starts_with_the_whole_example(environment):
    Path(".env").write_text("\n".join(uncommented()), encoding="utf-8")
    command = [str(BIN / "dagster"), "definitions", "validate", *MODULE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
