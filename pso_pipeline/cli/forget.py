"""`pso forget` removes a guest's account from everything that the pipeline stores, and from later reads.

Its steps in order: the rows of the warehouse, its files, the marts, the snapshot, Dagster's storage. After a kill, the
same command continues. The last step searches the files themselves for the account. How each store forgets an account
belongs to that store's module.
"""

import sys
from collections.abc import Sequence

import click
from dagster import Failure

from pso_pipeline.bi.folder import keep_current_only
from pso_pipeline.cli.environment import FAILED, MISCONFIGURED, load_settings, prepare_dagster_home, say, stop
from pso_pipeline.cli.erasing import erase, files_containing
from pso_pipeline.orchestration.definitions import PIPELINE
from pso_pipeline.orchestration.steps import compute_metrics, publish_snapshot
from pso_pipeline.settings import Settings
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.accounts import SHORTEST_ID, forget_accounts
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.rewriting import rewrite
from pso_pipeline.warehouse.session import Warehouse


@click.command("forget")
@click.argument("account_ids", nargs=-1, required=True, metavar="ACCOUNT_ID...")
def command(account_ids: tuple[str, ...]) -> None:
    """Remove accounts from warehouse, marts, snapshot and Dagster's storage, and from later reads.

    Their orders stay and are counted, but without the account.
    """
    ids = list(dict.fromkeys(identifier.strip().lower() for identifier in account_ids))
    if short := [identifier for identifier in ids if len(identifier) < SHORTEST_ID]:
        stop(f"not an account id: {', '.join(short)}; an id has {SHORTEST_ID} characters or more", MISCONFIGURED)
    settings = load_settings()
    prepare_dagster_home(settings.dagster_home)
    problems = _forget(settings, ids)
    for problem in problems:
        say(problem)
    sys.exit(FAILED if problems else 0)


def _forget(settings: Settings, ids: Sequence[str]) -> list[str]:
    """Remove the accounts; return one line for each place that may still contain one."""
    warehouse = Warehouse.of(settings)
    try:
        with warehouse.hold():
            with warehouse.open_held() as connection:
                found = forget_accounts(connection, ids)
                warehouse.discard_marts(connection)
            rewrite(warehouse, ids)
        compute_metrics(PIPELINE, None)
        published, _ = publish_snapshot(PIPELINE)
    except WarehouseError as error:
        stop(str(error), FAILED)
    except Failure as failure:
        stop(str(failure.description), FAILED)
    for identifier, (orders, items) in found.items():
        counts = f"removed from {orders:,} order(s) and {items:,} order item(s)"
        removed = counts if orders or items else "not found in any order"
        click.echo(f"{for_terminal(identifier)}: {removed}, and excluded from later reads")
    keep_current_only(settings.pso_bi_dir)
    erase(files_containing([settings.dagster_home], ids), ids)
    folders = (*warehouse.folders, settings.pso_bi_dir, settings.dagster_home)
    return [
        *(
            f"{line}: its last published figures may contain the account; repeat this after its next publication"
            for line in published.held_back
        ),
        *(f"{path} still contains one of the ids: repeat this command" for path in files_containing(folders, ids)),
    ]
