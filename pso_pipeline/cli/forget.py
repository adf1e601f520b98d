"""`pso forget`: takes a guest's account out of everything that this pipeline stores, and keeps it out.

The order of its steps: rows of the warehouse, its files, the marts, the publication, Dagster's storage. Killed at any
instant, the same command goes on; what it says at the end is read from the files.
"""

import sys
from collections.abc import Sequence

import click
from dagster import Failure

from pso_pipeline.bi.folder import keep_current_only
from pso_pipeline.cli.environment import FAILED, MISCONFIGURED, load_settings, prepare_dagster_home, say, stop
from pso_pipeline.cli.erasing import erase, files_that_hold
from pso_pipeline.orchestration.assets import derive_metrics, publish_snapshot
from pso_pipeline.orchestration.definitions import PIPELINE
from pso_pipeline.settings import Settings
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.accounts import SHORTEST_ID, forget_accounts
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.rewriting import rewrite
from pso_pipeline.warehouse.session import Warehouse


@click.command("forget")
@click.argument("account_ids", nargs=-1, required=True, metavar="ACCOUNT_ID...")
def command(account_ids: tuple[str, ...]) -> None:
    """Remove accounts from warehouse, marts, snapshot and Dagster's storage, and keep them out of later reads.

    Their orders stay and are counted, without anything that says whose they were.
    """
    ids = list(dict.fromkeys(identifier.strip().lower() for identifier in account_ids))
    if short := [identifier for identifier in ids if len(identifier) < SHORTEST_ID]:
        stop(f"no id of an account: {', '.join(short)}; it takes {SHORTEST_ID} characters or more", MISCONFIGURED)
    settings = load_settings()
    prepare_dagster_home(settings.dagster_home)
    left = _forget(settings, ids)
    for problem in left:
        say(problem)
    sys.exit(FAILED if left else 0)


def _forget(settings: Settings, ids: Sequence[str]) -> list[str]:
    """Do it all, and say what is left to do."""
    warehouse = Warehouse(settings.pso_warehouse, settings.platform_address)
    try:
        with warehouse.hold():
            with warehouse.open_held() as connection:
                found = forget_accounts(connection, ids)
                warehouse.discard_marts(connection)
            rewrite(warehouse, ids)
        derive_metrics(PIPELINE, None)
        published, _ = publish_snapshot(PIPELINE)
    except WarehouseError as error:
        stop(str(error), FAILED)
    except Failure as failure:
        stop(str(failure.description), FAILED)
    for identifier, orders in found.items():
        if orders:
            click.echo(f"{for_terminal(identifier)}: {orders:,} order(s) no longer say whose they are")
        else:
            click.echo(f"{for_terminal(identifier)}: no order has it; it is kept out of later reads")
    keep_current_only(settings.pso_bi_dir)
    erase(files_that_hold([settings.dagster_home], ids), ids)
    folders = (warehouse.marts_path.parent, settings.pso_bi_dir, settings.dagster_home)
    return [
        *(
            f"{line}: its last published figures stay and may hold the account; repeat this once it is published again"
            for line in published.held_back
        ),
        *(f"{path} still holds one of the ids: repeat this command" for path in files_that_hold(folders, ids)),
    ]
