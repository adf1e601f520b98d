"""Tests of scripts/install.py and the Makefile: what a person sees before anything is installed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts/install.py"
OLD = "import runpy, sys; sys.version_info, sys.version = (3, 9, 18), '3.9.18'; runpy.run_path(sys.argv[1])"


@pytest.fixture
def install(monkeypatch, tmp_path):
    monkeypatch.setenv("UV", str(tmp_path / "no-uv"))

    def run():
        command = [sys.executable, SCRIPT, tmp_path / "env", tmp_path / "empty.lock"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    (tmp_path / "empty.lock").write_text("")
    return run


def test_an_old_python_is_refused_in_one_line_before_anything_is_made(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", OLD, SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert re.fullmatch(r"This project needs Python 3\.11 or newer, and \S+ is 3\.9\.18: .* PYTHON=.*\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_pip_installs_without_uv_and_only_what_is_new(install, tmp_path):
    assert "Installing 0 packages" in (first := install())
    assert "with pip" in first
    assert len(re.findall(r"done in \d+ s", first)) == 2
    assert install() == ""
    (tmp_path / "empty.lock").write_text("# changed\n")
    assert "Installing" in install()


def test_an_environment_of_another_python_is_made_again(install, tmp_path):
    install()
    python = tmp_path / "env/bin/python"
    python.unlink()
    python.write_text("#!/bin/sh\necho 3.9\n")
    python.chmod(0o755)
    assert f"{tmp_path / 'env'} has Python 3.9: making it again" in install()
    assert subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.startswith(
        f"Python {sys.version_info[0]}.{sys.version_info[1]}."
    )
    python.unlink()
    assert "no Python that runs" in install()


def test_plain_make_prints_every_target():
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z][\w-]*):.*  ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "setup", "test"} <= set(targets)
    assert re.findall(r"^  ([a-z][\w-]*) ", printed, re.MULTILINE) == targets
