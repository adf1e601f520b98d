"""What every command needs first: the settings or one clear line, and a home for Dagster.

Exit statuses: 1 something failed, 2 the configuration or the usage is wrong.
"""

import os
import sys
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from pso_pipeline.settings import Settings, SettingsError

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
    """End the command with one line on standard error."""
    click.echo(f"pso: {message}", err=True)
    sys.exit(status)


def terminal() -> Console:
    """Standard output for tables: as wide as the terminal, wide enough for a line a row in a file or a pipe."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def prepare_dagster_home(home: Path) -> Path:
    """Make Dagster's home with the packaged `dagster.yaml`, which a person may change, and name it to Dagster."""
    home = home.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        instance_file = home / "dagster.yaml"
        if not instance_file.exists():
            instance_file.write_text(
                files("pso_pipeline.cli").joinpath("dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8"
            )
    except OSError as error:
        stop(f"DAGSTER_HOME {home} cannot be used: {error.strerror or error}", MISCONFIGURED)
    os.environ["DAGSTER_HOME"] = str(home)
    return home
