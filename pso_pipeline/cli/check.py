"""`pso check` validates the settings, lists the hotels each token can access, and opens the warehouse.

Add a check of something that a refresh needs. It prints no secret and changes no data.
"""

import asyncio
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from pso_pipeline.cli.environment import FAILED, load_settings
from pso_pipeline.cli.files import INSTANCE_FILE, differences_of_yaml
from pso_pipeline.cli.progress import shown_progress
from pso_pipeline.environment import ENV_FILE, is_readable_by_others
from pso_pipeline.ingestion.activity import Activity
from pso_pipeline.ingestion.api import limiter_store, open_api
from pso_pipeline.ingestion.scope import TokenReach, choose_endpoints, reach_of_tokens
from pso_pipeline.mews.retry import BRIEF
from pso_pipeline.settings import Settings
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.session import Warehouse

LONGEST_WAIT_SECONDS = 60.0
SHOWN_NAMES = 5
TRIAL_BYTES = 65_536


@click.command("check")
def command() -> None:
    """Check the settings, each token, the warehouse and the folders; the status is 1 if anything fails."""
    settings = load_settings()
    click.echo(f"settings   ok: {len(settings.mews_access_tokens)} access token(s) for {settings.platform_address}")
    limit = f"{settings.mews_requests_per_window} requests in {settings.mews_window_seconds:g} s"
    click.echo(f"limiter    {limit} for each token, counted in {limiter_store(settings).description}")
    if is_readable_by_others():
        click.echo(f"warning    other users can read {ENV_FILE}, which contains tokens: run chmod 600 {ENV_FILE}")
    passed = [
        _check_tokens(settings),
        _check_warehouse(settings),
        _check_folder("PSO_BI_DIR", settings.pso_bi_dir),
        _check_folder("DAGSTER_HOME", settings.dagster_home),
    ]
    _compare_instance_file(settings.dagster_home / INSTANCE_FILE)
    sys.exit(0 if all(passed) else FAILED)


def _check_tokens(settings: Settings) -> bool:
    """Print the hotels that each token can access; return whether the API accepted all tokens."""
    with shown_progress() as activity:
        reaches = asyncio.run(_read_reaches(settings, activity))
    for number, reach in enumerate(reaches, 1):
        click.echo(f"token {number}    {_describe(reach)}")
        for operation, problem in reach.unreadable.items():
            click.echo(f"warning    token {number} cannot read {operation}: {for_terminal(problem)}")
    return not any(reach.error for reach in reaches)


async def _read_reaches(settings: Settings, activity: Activity) -> list[TokenReach]:
    """Ask one token after the other, so that a person sees which one does not answer."""
    found: list[TokenReach] = []
    async with open_api(settings, BRIEF) as api:
        for number, (fingerprint, token) in enumerate(api.tokens.items(), 1):
            activity.begin(f"asking token {number} of {len(api.tokens)}")
            optional = [each for each in choose_endpoints(settings.pso_endpoints) if each.is_optional]
            found += await reach_of_tokens(replace(api, tokens={fingerprint: token}), optional)
    return found


def _describe(reach: TokenReach) -> str:
    if reach.error:
        return f"failed: {for_terminal(reach.error)}"
    names = ", ".join(map(for_terminal, reach.names[:SHOWN_NAMES])) + (", …" if len(reach.names) > SHOWN_NAMES else "")
    return (
        f"ok: can access {len(reach.names)} enterprise(s): {names}"
        if reach.names
        else "ok, but no access to any enterprise"
    )


def _check_warehouse(settings: Settings) -> bool:
    """Read the whole warehouse and print the result; return whether it is intact."""
    warehouse = Warehouse.of(settings, wait_seconds=LONGEST_WAIT_SECONDS)
    try:
        with shown_progress() as activity, warehouse.open() as connection:
            activity.begin("reading the whole warehouse")
            warehouse.verify(connection)
        click.echo(f"warehouse  ok: {warehouse.shown_location}")
    except WarehouseError as error:
        click.echo(f"warehouse  failed: {error}")
        return False
    return True


def _compare_instance_file(path: Path) -> None:
    """Print how Dagster's instance file differs from this version's; that is allowed, and no failure."""
    if not path.exists():
        click.echo(f"{INSTANCE_FILE} is missing: {path}; `pso init`, `pso refresh` and `pso up` write it")
        return
    lines = differences_of_yaml(path, INSTANCE_FILE)
    click.echo(f"{INSTANCE_FILE} {f'differs from that of this version: {path}' if lines else f'ok: {path}'}")
    for line in lines:
        click.echo(f"  {line}")


def _check_folder(name: str, folder: Path) -> bool:
    """Write a trial file to a folder, or to its first existing parent; return whether that is possible."""
    existing = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(bytes(TRIAL_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        click.echo(f"{name} failed: {folder} cannot be written: {error.strerror or error}")
        return False
    click.echo(f"{name} ok: {folder}")
    return True
