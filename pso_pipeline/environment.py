"""The environment of this process and the file `.env`: the environment wins, also in Dagster's processes.

Dagster's commands, such as `dagster dev`, write every line of `.env` over the environment before our code runs, and
the processes that they start inherit the result. The operating system still knows the environment with which the first
of them was started. What the variables mean is decided in `settings`.
"""

import os
import stat
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from dotenv import dotenv_values

ENV_FILE = ".env"

_PROCESSES = Path("/proc")
_DAGSTER = ("dagster", "dg")
_SPAWNED = "from multiprocessing."


def unreadable_file() -> str | None:
    """Return in one line why `.env` cannot be read; None if it can be read or does not exist."""
    path = Path(ENV_FILE)
    try:
        if path.is_dir():
            return f"{ENV_FILE} is a folder: it takes a text file"
        # a pipe can be read only once
        if path.is_fifo() or not os.path.lexists(path):
            return None
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        return f"{ENV_FILE} cannot be read: {error.strerror or type(error).__name__}"
    except UnicodeDecodeError:
        return f"{ENV_FILE} is not UTF-8 text: save it as UTF-8"
    return f"{ENV_FILE} contains NUL characters: save it as plain text" if "\0" in text else None


def is_readable_by_others() -> bool:
    """Whether other users of this machine may read `.env`, which contains tokens."""
    try:
        return bool(stat.S_IMODE(Path(ENV_FILE).stat().st_mode) & 0o077)
    except OSError:
        return False


def restore() -> None:
    """Set the variables again that Dagster replaced by those of `.env`; an empty variable does not win.

    It changes nothing outside of Dagster's processes, and nothing on systems other than Linux, which do not show the
    environment of a process.
    """
    started_with = _started_with()
    if not started_with or unreadable_file():
        return
    for name in dotenv_values(ENV_FILE):
        if value := started_with.get(name):
            os.environ[name] = value


@cache
def _started_with() -> Mapping[str, str]:
    """Return the environment with which the first Dagster process above this one was started; empty without one.

    It is read once, because that process may end before this one.
    """
    found: bytes = b""
    process = os.getpid()
    try:
        while process > 1:
            arguments = (_PROCESSES / str(process) / "cmdline").read_text(errors="replace").split("\0")
            if _is_dagster(arguments):
                found = (_PROCESSES / str(process) / "environ").read_bytes()
            elif not any(argument.startswith(_SPAWNED) for argument in arguments):
                break
            process = _parent(process)
    except (OSError, ValueError):
        pass
    lines = (os.fsdecode(line).partition("=") for line in found.split(b"\0") if line)
    return {name: value for name, _, value in lines}


def _is_dagster(arguments: list[str]) -> bool:
    """Whether a command line is one of Dagster's: `dagster …`, `python -m dagster …`, `dagster-daemon …`, `dg …`."""
    return any(Path(each).name.split(".")[0].split("-")[0].split("_")[0] in _DAGSTER for each in arguments[:3])


def _parent(process: int) -> int:
    # the name in parentheses may contain spaces and parentheses
    fields = (_PROCESSES / str(process) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    return int(fields[1])
