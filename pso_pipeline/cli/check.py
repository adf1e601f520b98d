"""`pso check`: whether settings, tokens and warehouse work, said before anything is read. Prints no secret."""

import asyncio
import sys

import click

from pso_pipeline.cli.environment import FAILED, load_settings
from pso_pipeline.ingestion.api import open_api
from pso_pipeline.ingestion.scope import TokenReach, reach_of_tokens
from pso_pipeline.mews.patience import BRIEF
from pso_pipeline.settings import Settings
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.connection import Warehouse
from pso_pipeline.warehouse.errors import WarehouseError

PATIENCE_SECONDS = 60.0
SHOWN_NAMES = 5


@click.command("check")
def command() -> None:
    """Reach the API with each token, open the warehouse, and say what was found."""
    settings = load_settings()
    click.echo(f"settings   ok: {len(settings.mews_access_tokens)} access token(s) for {settings.platform_address}")
    problems = [_check_tokens(settings), _check_warehouse(settings)]
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
