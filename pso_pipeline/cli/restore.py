"""`pso restore` puts a backup in the place of the warehouse; what a backup is belongs to `warehouse/backup.py`."""

from pathlib import Path

import click

from pso_pipeline.cli.environment import FAILED, MISCONFIGURED, load_local_settings, stop
from pso_pipeline.warehouse.backup import BackupError, restore
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.session import Warehouse


@click.command("restore")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
def command(folder: Path) -> None:
    """Replace the warehouse by the backup in DIR. The warehouse of before is kept under another name."""
    settings = load_local_settings()
    warehouse = Warehouse.of(settings)
    try:
        backup, kept = restore(warehouse, folder)
    except BackupError as error:
        stop(str(error), MISCONFIGURED)
    except WarehouseError as error:
        stop(str(error), FAILED)
    except OSError as error:
        stop(f"{warehouse.shown_location} cannot be restored: {error.strerror or error}", FAILED)
    click.echo(f"{warehouse.shown_location} is as it was at {backup.made_utc}")
    for path in kept:
        click.echo(f"kept from before: {path}")
    if backup.data_path is not None:
        click.echo(f"its data files must be as they were then in {backup.data_path}")
    click.echo("Run `pso refresh`: it reads what changed since, computes the metrics and publishes")
