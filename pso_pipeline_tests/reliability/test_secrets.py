"""Tests that no log, output, exception, event, command line or file contains a token.

Each error that the server returns contains the tokens of the request.
"""

import asyncio
import base64
import json
import logging
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.contract.endpoints import ENTERPRISES
from pso_pipeline.definitions import defs
from pso_pipeline.ingestion import api as api_module
from pso_pipeline.ingestion.api import open_api
from pso_pipeline.mews.discovery import list_all
from pso_pipeline.mews.errors import MewsError
from pso_pipeline.mews.retry import RetryPolicy
from pso_pipeline.settings import Settings
from pso_pipeline_tests.fakes.faults import Answer, Disconnect, Garble, Hang
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve

ORDERS = "productServiceOrders/getAll"
LISTING = "enterprises/getAll"
ONCE = RetryPolicy(attempts=1, seconds=1.0, pause_seconds=0.0)


@pytest.fixture
def world():
    world = ScriptedWorld()
    for name in ("Astoria", "Bristol"):
        world.add_order(world.add_service(world.add_enterprise(Name=name)))
    return world


@pytest.fixture
def secrets(world):
    """The tokens, the halves of each, and their base64 forms."""
    tokens = [world.client_token, world.access_token]
    encoded = [base64.b64encode(token.encode()).decode()[:-4] for token in tokens]
    return [*tokens, *(token[:16] for token in tokens), *(token[16:] for token in tokens), *encoded]


@pytest.fixture
def echoing(world):
    """Return a function that makes an answer with this status and the tokens in its body."""
    encoded = [base64.b64encode(token.encode()).decode() for token in (world.client_token, world.access_token)]
    message = f"refused {world.client_token} and {world.access_token}, which are {encoded}"

    def make(status):
        body = json.dumps({"Message": message, "RequestId": world.access_token, "Details": message}).encode()
        return Answer(status, body, {"Retry-After": "0"})

    return make


@pytest.fixture
def sandbox(world, monkeypatch, tmp_path):
    monkeypatch.setattr(api_module, "limiter_folder", lambda: tmp_path / "limits")
    monkeypatch.setenv("MEWS_CLIENT_TOKEN", world.client_token)
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", world.access_token)
    with serve(world, requests_per_window=None) as running:
        monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", running.address)
        yield running


def found_in(secrets, texts):
    return [text[:200] for text in texts for secret in secrets if secret in text]


def files_containing(secrets, folder):
    wanted = [secret.encode() for secret in secrets]
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert len(files) > 5
    return [path for path in files if any(secret in path.read_bytes() for secret in wanted)]


@pytest.fixture
def instance(tmp_path):
    """Dagster's own storage on disk."""
    prepare_dagster_home(tmp_path / "data" / "dagster")
    with DagsterInstance.get() as instance:
        yield instance


@pytest.fixture
def written(caplog, capfd, tmp_path):
    """Return a function that collects all logs and output so far."""
    caplog.set_level(logging.DEBUG)

    def collect():
        assert any(record.name.startswith("pso_pipeline") for record in caplog.records)
        assert any(record.levelno == logging.DEBUG for record in caplog.records)
        return [*(record.getMessage() + repr(record.args) for record in caplog.records), *capfd.readouterr()]

    return collect


def test_runs_write_no_token_anywhere(sandbox, secrets, echoing, instance, written):
    """One refresh has temporary faults, one a refused hotel, and one a refused token; all loggers are at DEBUG."""
    outcomes: list[list[tuple[Any, dict[str, Any]]]] = [
        [(echoing(status), {"operation": ORDERS}) for status in (500, 429, 200)]
        + [
            (Disconnect(after_bytes=30), {"operation": ORDERS}),
            (Garble(lambda body: body[:-9]), {"operation": ORDERS}),
        ],
        [(echoing(400), {"operation": ORDERS, "times": None})],
        [(echoing(401), {"times": None})],
    ]
    for faults in outcomes:
        for fault, where in faults:
            sandbox.faults.add(fault, **where)
        result = defs.get_job_def("refresh").execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "DEBUG"}}}},
            raise_on_error=False,
        )
        assert result.success is (faults is outcomes[0])
        assert sandbox.faults.outstanding == 0
        sandbox.faults.clear()
    events = [repr(event) for run in instance.get_runs() for event in instance.all_logs(run.run_id)]
    assert len(events) > 60
    assert any("refused" in event for event in events), "the server's message is reported"
    assert found_in(secrets, events) == []
    assert found_in(secrets, written()) == []
    assert files_containing(secrets, Path.cwd()) == []


def rendered(settings):
    """Return the traceback of a failing listing with all local variables, as an error tracker sends it."""

    async def read():
        async with open_api(settings, ONCE) as api:
            (token,) = api.tokens.values()
            async with asyncio.timeout(2.0):
                await list_all(api.client, ENTERPRISES, token)

    try:
        asyncio.run(read())
    except (MewsError, TimeoutError) as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    raise AssertionError("the listing did not fail")


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 408, 413, 429, 500, 503])
def test_a_traceback_with_local_variables_holds_no_token(sandbox, secrets, echoing, status):
    sandbox.faults.add(echoing(status), operation=LISTING, times=None)
    assert found_in(secrets, [rendered(Settings.load())]) == []


@pytest.mark.parametrize("fault", [Disconnect(), Disconnect(after_bytes=9), Hang()], ids=["reset", "cut", "cancelled"])
def test_a_traceback_through_the_http_client_holds_no_token(sandbox, secrets, fault):
    """A request that is canceled would leave through the frames of httpx, which hold its body."""
    sandbox.faults.add(fault, operation=LISTING, times=None)
    text = rendered(Settings.load())
    assert "httpcore" not in text
    assert found_in(secrets, [text]) == []


def test_no_command_line_holds_a_token(sandbox, secrets):
    """The test reads the command lines of all processes while a refresh waits for an answer."""
    is_requested = threading.Event()

    def note(_body):
        is_requested.set()
        return True

    sandbox.faults.add(Hang(), operation=LISTING, when=note)
    command = [str(Path(sys.executable).with_name("pso")), "refresh"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert is_requested.wait(timeout=300)
        processes = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
        lines = [command_line(path) for path in processes]
        assert any("pso\0refresh" in line for line in lines)
        assert found_in(secrets, lines) == []
    finally:
        process.kill()
        process.wait()


def command_line(process):
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:  # it has ended
        return ""
