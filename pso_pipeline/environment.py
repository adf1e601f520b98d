"""The environment of this process and the file `.env`: which of them says what, also where Dagster mixed them.

Dagster's commands (`dagster dev` and its like) write every line of `.env` over the environment before any code of
ours runs, empty lines too, and the processes that they start inherit that. What the first of them was started with is
still known to the operating system. What the variables mean is decided in `settings`.
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
    """Say in one line why `.env` cannot be read; None where it can, or where there is none."""
    path = Path(ENV_FILE)
    try:
        if path.is_dir():
            return f"{ENV_FILE} is a folder: it takes a text file"
        # what a pipe holds can be read once only
        if path.is_fifo() or not os.path.lexists(path):
            return None
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        return f"{ENV_FILE} cannot be read: {error.strerror or type(error).__name__}"
    except UnicodeDecodeError:
        return f"{ENV_FILE} is not UTF-8 text: save it as UTF-8"
    return f"{ENV_FILE} holds NUL characters: save it as plain text" if "\0" in text else None


def is_readable_by_others() -> bool:
    """Whether somebody else on this machine may read `.env`, which holds tokens."""
    try:
        return bool(stat.S_IMODE(Path(ENV_FILE).stat().st_mode) & 0o077)
    except OSError:
        return False


def restore() -> None:
    """Let the environment win over `.env` again, where Dagster let `.env` win; an empty variable does not win.

    Nothing happens outside of Dagster's processes, and where the system does not tell what a process was started with
    (it does on Linux).
    """
    started_with = _started_with()
    if not started_with or unreadable_file():
        return
    for name in dotenv_values(ENV_FILE):
        if value := started_with.get(name):
            os.environ[name] = value


@cache
def _started_with() -> Mapping[str, str]:
    """Read the environment that the first Dagster process above this one was started with; empty without one.

    Read once: that process may end before this one.
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
    # the name in parentheses may hold spaces and parentheses itself
    fields = (_PROCESSES / str(process) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    return int(fields[1])
