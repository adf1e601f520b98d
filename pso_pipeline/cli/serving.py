"""Dagster's web server, daemon and one code server for `pso up` and `pso demo`, started again if one was killed.

`dagster dev` ends if its daemon or its web server ends. If its code server ends, it continues without sensors and runs.
It starts none of them again.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import httpx

from pso_pipeline.cli.environment import FAILED, stop

UI_HOST = "127.0.0.1"
DEFAULT_PORT = 3000

WORKSPACE = Path(__file__).with_name("workspace.yaml")
"""It gives the code location its name, which the module alone would not."""

ENDING_SECONDS = 20.0
"""Time for Dagster to end by itself before it is killed; a killed landing loses nothing."""

LOADING_SECONDS = 1.0
"""Time between two checks whether the web UI answers already."""

CHECK_SECONDS = 10.0
LOST_CHECKS = 6
"""Number of failed checks of the code location in a row after which everything is started again."""

STEADY_SECONDS = 60.0
"""If Dagster ends sooner after its start than this, it was not killed but cannot run."""

_QUERY = "{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }"


def check_port(port: int) -> None:
    """End the command if another program uses the port."""
    with contextlib.closing(socket.socket()) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((UI_HOST, port))
        except OSError as error:
            stop(f"the web UI cannot use port {port}: {error.strerror}; choose another with --port", FAILED)


def serve(port: int, folder: Path, log: Path | None, announce: Callable[[str], None]) -> None:
    """Run Dagster until Ctrl-C or SIGTERM; call `announce` with the address of the web UI once it answers.

    The parameters are those of `keep_serving`. If Dagster does not run, the command ends with status 1.
    """
    for ending in (signal.SIGINT, signal.SIGTERM):
        # a shell that starts a command in the background lets it ignore Ctrl-C
        signal.signal(ending, signal.default_int_handler)
    try:
        status = keep_serving(port, folder, log, click.echo, announce)
        stop(f"Dagster ended with status {status}: see {log or 'the messages above'}", FAILED)
    except KeyboardInterrupt:
        click.echo("\nStopping …")


def keep_serving(
    port: int,
    folder: Path,
    log: Path | None,
    say: Callable[[str], None],
    announce: Callable[[str], None] | None = None,
) -> int:
    """Run Dagster in this working directory until an interrupt.

    Its output goes to the file `log`, or its warnings and errors to that of this process. `announce` is called once,
    with the address of the web UI when it answers. Returns the exit status of Dagster if it ends soon after its start.
    """
    arguments = ["dev", "-w", str(WORKSPACE), "-h", UI_HOST, "-p", str(port)]
    with log.open("w", encoding="utf-8") if log else contextlib.nullcontext() as output:
        while True:
            began = time.monotonic()
            process = subprocess.Popen(  # noqa: S603  # no shell; the one value that a user gives is a number
                [sys.executable, "-m", "dagster", *arguments, *([] if log else ["--log-level", "warning"])],
                cwd=folder,
                stdout=output,
                stderr=output,
                process_group=0,
            )
            try:
                if announce and _wait_until_loaded(process, port):
                    announce(f"http://{UI_HOST}:{port}")
                    announce = None
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


def _wait_until_loaded(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the web server has loaded the code location; false if Dagster ended before."""
    while not has_code_location(port):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOADING_SECONDS)
            return False
    return True


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
