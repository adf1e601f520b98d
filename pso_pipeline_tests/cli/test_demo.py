"""Tests of `pso demo`: it loads the sandbox, prints a line for each hotel, and later reads only changes."""

import contextlib
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

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
    assert sum(headlines(first).values()) > 30_000
    requests = int(re.findall(r"getAll ([\d,]+)", first.out)[-1].replace(",", ""))
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


def test_the_web_ui_answers_until_the_demo_ends_and_no_process_remains():
    port = free_port()
    with subprocess.Popen(
        [PSO, "demo", "--enterprises", "1", "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        try:
            assert demo.stdout
            line = next(line for line in demo.stdout if "Web UI" in line)
            assert f"http://127.0.0.1:{port}" in line
            for attempt in Retrying(
                retry=retry_if_exception_type(httpx.TransportError), wait=wait_fixed(0.2), stop=stop_after_delay(150)
            ):
                with attempt:
                    answer = httpx.get(f"http://127.0.0.1:{port}/server_info")
            assert answer.json()["dagster_version"]
            demo.send_signal(signal.SIGTERM)
            assert demo.wait(60) == 0
        finally:
            left = _members_of(demo.pid)
            for each in left:
                os.kill(each, signal.SIGKILL)
    assert left == []


def free_port() -> int:
    """Return a free port outside the range of ephemeral ports, which parallel tests use for their servers."""
    for port in range(20_000 + os.getpid() % 10_000, 32_768):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def _members_of(session: int) -> list[int]:
    """Return the running processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found
