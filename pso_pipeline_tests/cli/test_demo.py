"""Tests of `pso demo`: it loads the sandbox, prints a line for each hotel, and later reads only changes."""

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path

import httpx

from pso_pipeline_tests.cli.conftest import PSO, installed_pso, pso

HEADLINE = re.compile(
    r"^(?P<hotel>\S.*?)  +(?P<orders>[\d,]+)  +(?P<canceled>[\d.]+%)  +(?P<checked_in>[\d.]+%)  +\d{4}-"
)


def headlines(result):
    found = [HEADLINE.match(line) for line in result.out.splitlines()]
    return {each["hotel"]: int(each["orders"].replace(",", "")) for each in found if each}


def test_once_prints_every_hotel_and_a_second_run_reads_only_changes():
    first = installed_pso("demo", "--once", "--enterprises", "2")
    assert (first.status, first.err) == (0, "")
    assert len(headlines(first)) == 2
    assert "\nNext:\n  1. " in first.out
    assert stat.S_IMODE(Path("data/sandbox/.env").stat().st_mode) == 0o600
    with contextlib.chdir("data/sandbox"):
        beside = installed_pso("status")
        assert (beside.status, beside.out.splitlines()[0].split(";")[0]) == (0, "2 hotels: 2 fresh")
    assert sum(headlines(first).values()) > 30_000
    requests = int(re.findall(r"productServiceOrders/getAll ([\d,]+)", first.out)[-1].replace(",", ""))
    second = installed_pso("demo", "--once", "--enterprises", "2")
    assert second.status == 0
    again = int(re.findall(r"productServiceOrders/getAll ([\d,]+)", second.out)[-1].replace(",", ""))
    assert again <= 2 < requests
    new = int(re.findall(r": ([\d,]+) new", second.out)[-1].replace(",", ""))
    assert sum(headlines(second).values()) == sum(headlines(first).values()) + new
    other = pso("demo", "--once", "--enterprises", "3")
    assert other.status == 1
    assert "remove that folder to start one of 3" in other.error_line


def test_a_port_in_use_is_an_error_before_anything_is_loaded():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = pso("demo", "--port", str(taken.getsockname()[1]))
    assert result.status == 1
    assert "choose another with --port" in result.error_line
    assert not Path("data/sandbox/warehouse.duckdb").exists()


@contextlib.contextmanager
def serving_until_it_is_ended(*arguments, ending):
    """Run a command that serves the web UI, end it, and see that no process of it remains."""
    port = free_port()
    with subprocess.Popen(
        [PSO, *arguments, "--port", str(port)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            assert running.stdout
            next(line for line in running.stdout if f"Web UI: http://127.0.0.1:{port}" in line)
            # the address is printed once it answers
            assert httpx.get(f"http://127.0.0.1:{port}/server_info", timeout=60).json()["dagster_version"]
            yield running
            running.send_signal(ending)
            assert running.wait(60) == 0
        finally:
            left = _members_of(running.pid)
            for each in left:
                os.kill(each, signal.SIGKILL)
    assert left == []


def test_the_web_ui_answers_until_the_demo_ends_and_no_process_remains():
    with serving_until_it_is_ended("demo", "--enterprises", "1", ending=signal.SIGTERM):
        assert Path("data/sandbox/dagster.log").exists()


def test_up_runs_one_code_server_for_daemon_and_web_server_until_ctrl_c(sandbox):
    with serving_until_it_is_ended("up", ending=signal.SIGINT) as running:
        lines = [Path(f"/proc/{each}/cmdline").read_bytes().replace(b"\0", b" ") for each in _members_of(running.pid)]
        for words in (b"dagster api grpc", b"dagster._daemon run"):
            assert sum(words in line for line in lines) == 1
    assert Path("data/dagster/dagster.yaml").exists()


def free_port(above: int = 0) -> int:
    """Return a free port outside the range of ephemeral ports, which parallel tests use for their servers."""
    for port in range(max(above + 1, 20_000 + os.getpid() % 10_000), 32_768):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def _members_of(session: int) -> list[int]:
    """Return the running processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found
