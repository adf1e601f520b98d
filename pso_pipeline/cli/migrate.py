"""`pso migrate` makes the tables of the warehouse, or brings them up to this version; `--to` copies it elsewhere.

A DuckLake with its catalog in PostgreSQL is made and migrated by this command alone, while no refresh runs; others are
made by the first command that needs them. How tables are migrated belongs to `warehouse/schema.py`, how they are copied
to `warehouse/migrating.py`.
"""

from dataclasses import replace

import click

from pso_pipeline.cli.environment import FAILED, MISCONFIGURED, load_settings, stop
from pso_pipeline.settings import DUCKLAKE_PREFIX, Settings, is_in_postgres
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.migrating import copy_warehouse
from pso_pipeline.warehouse.session import Warehouse


@click.command("migrate")
@click.option("--to", "location", metavar="WAREHOUSE", help="Copy everything that landed into this warehouse.")
def command(location: str | None) -> None:
    """Make the tables of the warehouse, or bring them up to this version; repeating it changes nothing."""
    settings = load_settings()
    warehouse = Warehouse.of(settings)
    try:
        warehouse.make()
        if location:
            _copy(warehouse, _target(settings, location))
    except WarehouseError as error:
        stop(str(error), FAILED)
    click.echo(f"{warehouse.shown_location} is ready")


def _target(settings: Settings, location: str) -> Warehouse:
    """Return the warehouse to copy to; `PSO_WAREHOUSE_DATA` is where the files of the one in PostgreSQL go."""
    if location == settings.pso_warehouse:
        stop("--to names the warehouse that PSO_WAREHOUSE names", MISCONFIGURED)
    if is_in_postgres(location) and not settings.pso_warehouse_data:
        stop("PSO_WAREHOUSE_DATA is not set: it says where the files of the lake go", MISCONFIGURED)
    if location.startswith(DUCKLAKE_PREFIX) and settings.pso_warehouse.startswith(DUCKLAKE_PREFIX):
        stop("a lake is not copied into another one: copy it into a file, and that into the other lake", MISCONFIGURED)
    data_path = settings.pso_warehouse_data if is_in_postgres(location) else None
    return replace(Warehouse.of(settings), location=location, data_path=data_path)


def _copy(warehouse: Warehouse, target: Warehouse) -> None:
    copied = copy_warehouse(warehouse, target)
    click.echo(
        f"{sum(copied.values()):,} rows of {len(copied)} tables are in {target.shown_location}, compared row by row: "
        "set PSO_WAREHOUSE to it and run `pso refresh`, which computes the marts"
    )
