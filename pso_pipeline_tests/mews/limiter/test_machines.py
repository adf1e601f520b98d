"""Several processes, each a machine of its own, with one token; the API's server counts."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from pso_pipeline.sandbox.limits import RateLimit
from pso_pipeline_tests.fakes.log import most_within
from pso_pipeline_tests.mews import greedy
from pso_pipeline_tests.mews.scripted_server import Reply, ScriptedServer

REQUESTS, WINDOW_SECONDS = 20, 1.0
SETTINGS = {"requests": REQUESTS, "window": WINDOW_SECONDS, "margin": 1.0, "calls": 14}
"""With the usual margin: on a busy machine a request takes as long to get from one process to the other."""
CLOCKS = (-3600.0, 0.0, 1.0, 3600.0)
"""By how many seconds the clock of each machine is ahead."""

GOOD = Reply(body={"Services": [], "Cursor": None})


class Servers:
    """Where machines share their limit, and how to restart the server of that place, if it is one."""

    def __init__(self, location, restart=None):
        self.location, self.restart = location, restart


@pytest.fixture(params=["files", "postgres", "redis"])
def shared(request, tmp_path):
    if request.param == "files":
        return Servers(str(tmp_path / "limits"))
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        return Servers(server.url, server.restart)
    server = request.getfixturevalue("postgres")
    return Servers(server.url(server.new_database()), server.restart)


@contextmanager
def counting_server():
    """Serve the API with its limit of requests; 429 beyond it."""
    limit = RateLimit(REQUESTS, WINDOW_SECONDS)
    refused = []

    def reply(_):
        if (seconds := limit.take("access")) is None:
            return GOOD
        refused.append(seconds)
        return Reply(429, {"Message": "slow down"}, {"Retry-After": str(seconds)})

    with ScriptedServer(reply) as server:
        yield server
    arrivals = sorted(received.at for received in server.received)
    assert refused == []
    assert most_within(arrivals, WINDOW_SECONDS) <= REQUESTS


def start(server: ScriptedServer, shared: Servers, tmp_path: Path, **settings):
    """Start a machine with files of its own."""
    home = tmp_path / f"machine-{time.monotonic_ns()}"
    home.mkdir()
    asked = SETTINGS | {"address": server.address, "store": shared.location} | settings
    return subprocess.Popen(
        [sys.executable, "-m", greedy.__name__, json.dumps(asked)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(greedy.__file__).parents[2],
        env=os.environ | {"HOME": str(home), "TMPDIR": str(home)},
        text=True,
    )


def go(*processes) -> None:
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def finish(process):
    with process:
        output = process.stdout.read()
    assert process.returncode == 0
    return json.loads(output)


def clocks_of(shared):
    """The clocks of machines; the processes of one machine have one."""
    return CLOCKS if shared.restart else [0.0] * len(CLOCKS)


def test_machines_together_stay_within_the_limit(shared, tmp_path):
    with counting_server() as server:
        machines = [start(server, shared, tmp_path, clock_is_ahead=each) for each in clocks_of(shared)]
        go(*machines)
        assert [finish(machine)["done"] for machine in machines] == [14] * 4
        assert len(server.received) == 4 * 14


@pytest.mark.parametrize("shared", ["postgres", "redis"], indirect=True)
def test_they_stay_within_the_limit_when_the_store_is_restarted(shared, tmp_path):
    with counting_server() as server:
        machines = [start(server, shared, tmp_path, clock_is_ahead=each) for each in clocks_of(shared)]
        reply, is_time = server.otherwise, threading.Event()

        def count(received):
            if len(server.received) >= 15:
                is_time.set()
            return reply(received)

        server.otherwise = count
        go(*machines)
        is_time.wait()
        shared.restart()
        assert [finish(machine)["done"] for machine in machines] == [14] * 4
        assert len(server.received) == 4 * 14


def test_a_pause_is_obeyed_by_another_machine(shared, tmp_path):
    with ScriptedServer(GOOD) as server:
        server.replies.append(Reply(429, {"Message": "slow down"}, {"Retry-After": "2"}))
        earlier, later = (0.0, 0.0) if shared.restart is None else (-3600.0, 3600.0)
        refused = start(server, shared, tmp_path, calls=1, pause_seconds=0.0, clock_is_ahead=earlier)
        other = start(server, shared, tmp_path, calls=3, clock_is_ahead=later)
        go(refused)
        assert finish(refused)["failed"] == ["TooManyRequests"]
        paused_since = time.monotonic()
        go(other)
        assert finish(other)["done"] == 3
        arrivals = [received.at for received in server.received]
    assert len(arrivals) == 4
    assert arrivals[1] - arrivals[0] >= 2.0
    assert arrivals[1] > paused_since, "the other machine had not sent anything before"
