"""`pso freeze` writes the catalog of a lake's marts into a file; what it holds belongs to `warehouse/freezing.py`."""

import click

from pso_pipeline.cli.environment import FAILED, load_local_settings, stop
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.freezing import freeze
from pso_pipeline.warehouse.session import Warehouse


@click.command("freeze")
def command() -> None:
    """Write marts.ducklake beside the data of a DuckLake: BI reads the marts of this instant with it.

    A reader needs neither PostgreSQL nor its password. The file can be read for PSO_KEEP_SNAPSHOTS_DAYS.
    """
    settings = load_local_settings()
    try:
        frozen = freeze(Warehouse.of(settings))
    except WarehouseError as error:
        stop(str(error), FAILED)
    except OSError as error:
        stop(f"the frozen catalog cannot be written: {error.strerror or error}", FAILED)
    click.echo(f"{frozen} has the marts as they are now, and can be read for {settings.pso_keep_snapshots_days} days:")
    click.echo(f"ATTACH 'ducklake:{frozen}' AS pso (READ_ONLY)")
