"""Make an environment of this checkout from lock files: `python scripts/install.py FOLDER LOCK… [--project]`.

It runs on the Python that the environment is for, before anything is installed, so it imports the standard library
only. uv installs where it is found (`UV` names it, or it is on the PATH), pip otherwise. What is installed already is
not installed again.
"""

import sys

LOWEST = (3, 11)

if sys.version_info < LOWEST:
    sys.exit(
        f"This project needs Python {LOWEST[0]}.{LOWEST[1]} or newer, and {sys.executable} is "
        f"{sys.version.split()[0]}: install a newer one and name it, for example: make demo PYTHON=python3.12"
    )

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = "project"
RECORD = ".installed.json"
STILL_SECONDS = 30.0
"""Time between two lines that say that an installation still runs."""

USUAL = {"uv": "less than a minute", "pip": "about 5 minutes"}
"""How long the largest lock takes with an empty cache and a usual connection."""


def main() -> None:
    """Make the environment, or bring it up to date."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the environment")
    parser.add_argument("locks", type=Path, nargs="*", help="lock files, installed in this order")
    parser.add_argument("--project", action="store_true", help="install this checkout too, editable")
    parser.add_argument("--remove", nargs="+", default=[], metavar="NAME", help="packages of a lock to leave out")
    options = parser.parse_args()
    uv = shutil.which(os.environ.get("UV") or "uv")
    make(options.folder, uv)
    record = read_record(options.folder)
    for lock in options.locks:
        content = lock.read_text(encoding="utf-8")
        count = len(re.findall(r"^\S+==", content, re.MULTILINE))
        if record.get(lock.name) != digest(content):
            what = f"Installing {count} package{'s' * (count != 1)} of {lock} into {options.folder}"
            install(options.folder, uv, what, "--no-deps", "--require-hashes", "--requirement", str(lock))
            if options.remove:
                remove(options.folder, uv, options.remove)
            record[lock.name] = digest(content)
            write_record(options.folder, record)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    if options.project and record.get(PROJECT) != digest(project):
        what = f"Installing this checkout into {options.folder}"
        install(options.folder, uv, what, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
        record[PROJECT] = digest(project)
        write_record(options.folder, record)


def make(folder: Path, uv: str | None) -> None:
    """Make an environment of this Python, unless there is one; one of another Python is replaced."""
    if folder.exists():
        found = python_of(folder)
        if found == version():
            return
        print(f"{folder} has {f'Python {found}' if found else 'no Python that runs'}: making it again with {version()}")
        shutil.rmtree(folder)
    command = [uv, "venv", "--quiet", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    run(f"Making {folder} with Python {version()}", [*command, str(folder)], "install the package python3-venv, or uv")


def python_of(folder: Path) -> str | None:
    """Return the version of an environment's Python, like `3.11`, or nothing if it does not start."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.run(
            [folder / "bin/python", "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def version() -> str:
    """Return the version of this Python, like `3.11`."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def install(folder: Path, uv: str | None, what: str, *arguments: str) -> None:
    """Install into an environment with uv or pip."""
    python = str(folder / "bin/python")
    tool = "uv" if uv else "pip"
    command = (
        [uv, "pip", "install", "--python", python]
        if uv
        else [python, "-m", "pip", "--disable-pip-version-check", "install"]
    )
    is_long = "--requirement" in arguments
    run(f"{what} with {tool}" + f" ({USUAL[tool]} the first time)" * is_long, [*command, *arguments])


def remove(folder: Path, uv: str | None, names: list[str]) -> None:
    """Remove packages from an environment."""
    python = str(folder / "bin/python")
    command = (
        [uv, "pip", "uninstall", "--python", python] if uv else [python, "-m", "pip", "uninstall", "--quiet", "--yes"]
    )
    run(f"Leaving out {', '.join(names)}", [*command, *names])


def run(what: str, command: list[str], otherwise: str = "see the lines above") -> None:
    """Run a command, and print one line before it and one after it; its own output only if it fails."""
    print(f"{what} …", flush=True)
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        while True:
            try:
                output, _ = process.communicate(timeout=STILL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                print(f"  still at it after {time.monotonic() - began:.0f} s", flush=True)
    if process.returncode:
        print(output, file=sys.stderr)
        sys.exit(f"{what} failed: {otherwise}")
    print(f"  done in {time.monotonic() - began:.0f} s", flush=True)


def digest(content: str) -> str:
    """Return a digest of a lock, by which a change of it is noticed."""
    return hashlib.sha256(content.encode()).hexdigest()


def read_record(folder: Path) -> dict[str, str]:
    """Read which locks an environment holds, by the digests of their content."""
    path = folder / RECORD
    record: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return record


def write_record(folder: Path, record: dict[str, str]) -> None:
    """Record which locks an environment holds."""
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")


if __name__ == "__main__":
    main()
