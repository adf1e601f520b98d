"""Dagster's web server, daemon and code server for `pso demo`, started again if one of them was killed.

`dagster dev` ends if its daemon or its web server ends. If its code server ends, it continues without sensors and runs.
It starts none of them again.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

UI_HOST = "127.0.0.1"

WORKSPACE = Path(__file__).with_name("workspace.yaml")
"""It gives the code location its name, which the module alone would not."""

ENDING_SECONDS = 20.0
"""Time for Dagster to end by itself before it is killed; a killed landing loses nothing."""

CHECK_SECONDS = 10.0
LOST_CHECKS = 6
"""Number of failed checks of the code location in a row after which everything is started again."""

STEADY_SECONDS = 60.0
"""If Dagster ends sooner after its start than this, it was not killed but cannot run."""

_QUERY = "{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }"


def keep_serving(port: int, folder: Path, log: Path, say: Callable[[str], None]) -> int:
    """Run Dagster in this working directory until an interrupt, and write its output to a file.

    Returns its exit status if it ends soon after its start.
    """
    with log.open("w", encoding="utf-8") as output:
        while True:
            began = time.monotonic()
            arguments = ["dev", "-w", str(WORKSPACE), "-h", UI_HOST, "-p", str(port)]
            process = subprocess.Popen(  # noqa: S603  # no shell; the one value that a user gives is a number
                [sys.executable, "-m", "dagster", *arguments], cwd=folder, stdout=output, stderr=output, process_group=0
            )
            try:
                _wait_until_lost(process, port)
            finally:
                _end_group(process)
            if time.monotonic() - began < STEADY_SECONDS:
                return process.returncode
            say("Dagster has lost one of its processes and is started again")


def has_code_location(port: int) -> bool:
    """Whether the web server answers and has loaded the code location."""
    try:
        answer = httpx.post(f"http://{UI_HOST}:{port}/graphql", json={"query": _QUERY}, timeout=CHECK_SECONDS)
        entries = answer.json()["data"]["workspaceOrError"]["locationEntries"]
        return bool(entries) and all(
            entry["locationOrLoadError"]["__typename"] == "RepositoryLocation" for entry in entries
        )
    except (httpx.HTTPError, KeyError, TypeError, ValueError):
        return False


def _wait_until_lost(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until Dagster has ended, or has lost the code location that it had loaded."""
    was_there, lost = False, 0
    while lost < LOST_CHECKS:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(CHECK_SECONDS)
            return
        is_there = has_code_location(port)
        was_there |= is_there
        lost = 0 if is_there or not was_there else lost + 1


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End Dagster and all processes that it started; its code server and a run would outlive it by half a minute."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(ENDING_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
