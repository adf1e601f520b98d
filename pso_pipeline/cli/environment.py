"""This module contains what several commands need: settings, messages, tables and Dagster's home.

Add a function here if several commands need it and it imports neither Dagster nor the warehouse.
"""

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO, NoReturn, TypeVar

import click
from rich.console import Console
from rich.table import Table

from pso_pipeline.cli.files import INSTANCE_FILE, packaged, write_new
from pso_pipeline.environment import ENV_FILE
from pso_pipeline.mews.tokens import hide_secrets
from pso_pipeline.settings import DOCUMENTATION, LocalSettings, Settings, SettingsError
from pso_pipeline.text import for_terminal

FAILED = 1
"""The exit status if something failed."""

MISCONFIGURED = 2
"""The exit status if the configuration or the usage is wrong."""

PIPE_WIDTH = 200
"""The width of tables in a file or a pipe, so that each row is one line."""

_FORMER_STORAGE = """storage:
  custom:
    module: pso_pipeline.storage
    class: OpenStorage
    config:
      base_dir:
        env: DAGSTER_HOME
"""
"""What `dagster.yaml` had before 0.1.0. The files are those of Dagster's default storage."""


_S = TypeVar("_S", bound=LocalSettings)


def load_settings() -> Settings:
    """Read the settings; if one is wrong, end the command with status 2."""
    return _load(Settings)


def load_local_settings() -> LocalSettings:
    """Read the settings that need no API; if one is wrong, end the command with status 2."""
    return _load(LocalSettings)


def _load(kind: type[_S]) -> _S:
    try:
        return kind.load()
    except SettingsError as error:
        for problem in error.problems:
            say(problem)
        hint = "`pso init` writes a file .env to fill in; " if error.is_missing and not Path(ENV_FILE).exists() else ""
        stop(f"{hint}see {DOCUMENTATION}", MISCONFIGURED)


def stop(message: str, status: int) -> NoReturn:
    """Print a message on standard error and end the command with this status."""
    say(message)
    sys.exit(status)


def say(message: str) -> None:
    """Print a message on standard error, without secrets and without control characters."""
    for line in message.splitlines():
        click.echo(f"pso: {for_terminal(hide_secrets(line))}", err=True)


def terminal(file: IO[str] | None = None) -> Console:
    """Return standard output, or a file, for tables.

    Markup is off, because names and errors from outside may contain it; use `rich.text.Text` for styles.
    """
    width = None if (file or sys.stdout).isatty() else PIPE_WIDTH
    return Console(file=file, highlight=False, markup=False, emoji=False, width=width)


def new_table(names: Sequence[str], numbers: Collection[str] = ()) -> Table:
    """Return an empty table with these columns; those of numbers are aligned to the right."""
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return table


def prepare_dagster_home(home: Path) -> Path:
    """Create Dagster's home with the packaged `dagster.yaml`, and set `DAGSTER_HOME` to its absolute path."""
    home = home.absolute()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_instance_file(home / INSTANCE_FILE)
    except OSError as error:
        stop(f"DAGSTER_HOME {home} cannot be used: {error.strerror or error}", MISCONFIGURED)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def _write_instance_file(path: Path) -> None:
    """Write the file if it is missing."""
    if write_new(path, packaged(INSTANCE_FILE)):
        return
    text = path.read_text(encoding="utf-8")
    if _FORMER_STORAGE in text:
        path.write_text(text.replace(_FORMER_STORAGE, ""), encoding="utf-8")
