"""What every command needs first: the settings or one clear line, and a home for Dagster.

Exit statuses: 1 something failed, 2 the configuration or the usage is wrong.
"""

import contextlib
import os
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from pso_pipeline.mews.tokens import hide_secrets
from pso_pipeline.settings import Settings, SettingsError
from pso_pipeline.text import for_terminal

FAILED = 1
MISCONFIGURED = 2
PIPE_WIDTH = 200


def load_settings() -> Settings:
    """Read the settings, or end with status 2 and a line for each that is wrong."""
    try:
        return Settings.load()
    except SettingsError as error:
        stop(str(error), MISCONFIGURED)


def stop(message: str, status: int) -> NoReturn:
    """End the command with a line on standard error."""
    say(message)
    sys.exit(status)


def say(message: str) -> None:
    """Print a message on standard error, each of its lines clean of what a terminal would obey."""
    for line in message.splitlines():
        click.echo(f"pso: {for_terminal(hide_secrets(line))}", err=True)


def terminal() -> Console:
    """Standard output for tables: as wide as the terminal, wide enough for a line a row in a file or a pipe.

    It takes no markup, which a name or an error from outside may hold; style what is ours with `rich.text.Text`.
    """
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(highlight=False, markup=False, emoji=False, width=width)


def prepare_dagster_home(home: Path) -> Path:
    """Make Dagster's home with the packaged `dagster.yaml`, which a person may change, and name it to Dagster."""
    home = home.absolute()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_instance_file(home / "dagster.yaml")
    except OSError as error:
        stop(f"DAGSTER_HOME {home} cannot be used: {error.strerror or error}", MISCONFIGURED)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def _write_instance_file(path: Path) -> None:
    """Write it where there is none, whole at once: processes that start together read it meanwhile."""
    if path.exists():
        return
    text = files("pso_pipeline.cli").joinpath("dagster.yaml").read_text(encoding="utf-8")
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix="dagster.yaml.", encoding="utf-8") as fresh:
        fresh.write(text)
        fresh.flush()
        with contextlib.suppress(FileExistsError):
            os.link(fresh.name, path)
