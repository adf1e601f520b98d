"""`pso init` writes the files that a new installation needs, and reports how existing ones differ."""

import os
import sys
from pathlib import Path

import click
from dotenv import dotenv_values

from pso_pipeline.cli.environment import FAILED, MISCONFIGURED, stop
from pso_pipeline.cli.files import (
    EXAMPLE,
    INSTANCE_FILE,
    WORKSPACE_FILE,
    differences_of_yaml,
    packaged,
    unknown_settings,
    write_new,
)
from pso_pipeline.environment import ENV_FILE
from pso_pipeline.settings import LocalSettings


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]")
def command(folder: Path) -> None:
    """Write .env, workspace.yaml and Dagster's dagster.yaml where they are missing.

    Files that exist are not changed; the status is 1 if one differs from this version's.
    """
    instance_file = _dagster_home(folder) / INSTANCE_FILE
    try:
        found = {
            folder / ENV_FILE: write_new(folder / ENV_FILE, packaged(EXAMPLE)),
            folder / WORKSPACE_FILE: write_new(folder / WORKSPACE_FILE, packaged(WORKSPACE_FILE)),
            instance_file: write_new(instance_file, packaged(INSTANCE_FILE)),
        }
    except OSError as error:
        stop(f"{error.filename or folder} cannot be written: {error.strerror or error}", MISCONFIGURED)
    differs = False
    for path, is_new in found.items():
        lines = [] if is_new else _differences(path)
        differs = differs or bool(lines)
        click.echo(f"{path}: {'written' if is_new else 'differs' if lines else 'is as in this version'}")
        for line in lines:
            click.echo(f"  {line}")
    if found[folder / ENV_FILE]:
        click.echo(f"Next: fill in {folder / ENV_FILE}, then run `pso check`, `pso refresh` and `pso up`")
    sys.exit(FAILED if differs else 0)


def _differences(path: Path) -> list[str]:
    return unknown_settings(path) if path.name == ENV_FILE else differences_of_yaml(path, path.name)


def _dagster_home(folder: Path) -> Path:
    """Return Dagster's home of the installation in this folder, by the environment, its `.env`, or the default."""
    default = LocalSettings.model_fields["dagster_home"].default
    env_file = folder / ENV_FILE
    written = dotenv_values(env_file).get("DAGSTER_HOME") if env_file.is_file() else None
    return folder / (os.environ.get("DAGSTER_HOME") or written or default)
