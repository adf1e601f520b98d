"""`pso backup` copies the warehouse into a folder; what a backup is belongs to `warehouse/backup.py`."""

from pathlib import Path

import click

from pso_pipeline.cli.environment import FAILED, MISCONFIGURED, load_local_settings, stop
from pso_pipeline.warehouse.backup import BackupError, back_up
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.session import Warehouse


@click.command("backup")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
def command(folder: Path) -> None:
    """Copy the warehouse into DIR while nothing writes to it, and verify the copy.

    An older backup in DIR is replaced once the new one is whole. Of a DuckLake the catalog is copied.
    """
    settings = load_local_settings()
    warehouse = Warehouse.of(settings)
    try:
        made = back_up(warehouse, folder)
    except BackupError as error:
        stop(str(error), MISCONFIGURED)
    except WarehouseError as error:
        stop(str(error), FAILED)
    except OSError as error:
        stop(f"{folder} cannot be written: {error.strerror or error}", FAILED)
    click.echo(f"{folder}: {', '.join(made.files)} of {warehouse.shown_location}, verified")
    if made.data_path is not None:
        click.echo(f"Its data files are not in it: copy {made.data_path} too, after this")
