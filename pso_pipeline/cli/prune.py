"""`pso prune` removes what old runs left in Dagster's storage; what may be removed is decided in `retention`."""

from datetime import timedelta

import click

from pso_pipeline.cli.environment import FAILED, load_local_settings, stop
from pso_pipeline.cli.instance import InstanceUnusable, open_instance
from pso_pipeline.orchestration.retention import prune


@click.command("prune")
@click.option(
    "--days",
    type=click.IntRange(0),
    default=None,
    help="Remove what runs left that ended longer ago.  [default: PSO_KEEP_RUNS_DAYS]",
)
def command(days: int | None) -> None:
    """Remove logs and events of old runs, but nothing that the web UI shows as the latest state of an asset."""
    settings = load_local_settings()
    keep = timedelta(days=settings.pso_keep_runs_days if days is None else days)
    try:
        with open_instance(settings.dagster_home) as instance:
            click.echo(prune(instance, keep).describe())
    except InstanceUnusable as error:
        stop(str(error), FAILED)
    except OSError as error:
        stop(f"DAGSTER_HOME {settings.dagster_home} cannot be pruned: {error.strerror or error}", FAILED)
