"""`pso check`: whether settings, tokens and warehouse work, said before anything is read. Prints no secret."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import click

from pso_pipeline.cli.environment import FAILED, load_settings
from pso_pipeline.environment import ENV_FILE, is_readable_by_others
from pso_pipeline.ingestion.api import open_api
from pso_pipeline.ingestion.scope import TokenReach, reach_of_tokens
from pso_pipeline.mews.retry import BRIEF
from pso_pipeline.settings import Settings
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.session import Warehouse

PATIENCE_SECONDS = 60.0
SHOWN_NAMES = 5

TRIED_BYTES = 65_536
"""Written to see whether a disk has room."""


@click.command("check")
def command() -> None:
    """Reach the API with each token, open the warehouse, and say what was found."""
    settings = load_settings()
    click.echo(f"settings   ok: {len(settings.mews_access_tokens)} access token(s) for {settings.platform_address}")
    if is_readable_by_others():
        click.echo(f"warning    others can read {ENV_FILE}, which holds tokens: chmod 600 {ENV_FILE}")
    problems = [
        _check_tokens(settings),
        _check_warehouse(settings),
        _check_folder("PSO_BI_DIR", settings.pso_bi_dir),
        _check_folder("DAGSTER_HOME", settings.dagster_home),
    ]
    sys.exit(FAILED if any(problems) else 0)


def _check_tokens(settings: Settings) -> bool:
    """Say what each token sees; whether any could not be asked."""
    reaches = asyncio.run(_ask(settings))
    for number, reach in enumerate(reaches, 1):
        click.echo(f"token {number}    {_describe(reach)}")
    return any(reach.error for reach in reaches)


async def _ask(settings: Settings) -> list[TokenReach]:
    async with open_api(settings, BRIEF) as api:
        return await reach_of_tokens(api)


def _describe(reach: TokenReach) -> str:
    if reach.error:
        return f"failed: {for_terminal(reach.error)}"
    names = ", ".join(map(for_terminal, reach.names[:SHOWN_NAMES])) + (", …" if len(reach.names) > SHOWN_NAMES else "")
    return f"ok: sees {len(reach.names)} enterprise(s): {names}" if reach.names else "ok, but it sees no enterprise"


def _check_warehouse(settings: Settings) -> bool:
    """Open the warehouse, read all of it and say so; whether that could not be done."""
    warehouse = Warehouse(settings.pso_warehouse, settings.platform_address, patience_seconds=PATIENCE_SECONDS)
    try:
        with warehouse.open() as connection:
            warehouse.verify(connection)
            click.echo(f"warehouse  ok: {warehouse.shown_location}")
    except WarehouseError as error:
        click.echo(f"warehouse  failed: {error}")
        return True
    return False


def _check_folder(name: str, folder: Path) -> bool:
    """Write a file into a folder, or into the one in which it is to be made, and say so; whether that failed."""
    place = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(TRIED_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        click.echo(f"{name} failed: {folder} cannot be written: {error.strerror or error}")
        return True
    click.echo(f"{name} ok: {folder}")
    return False
