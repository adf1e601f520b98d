"""The package contains the `pso` command; each subcommand is a module, which is imported when it is called.

Add a subcommand as a module with a click command named `command`, and a row in `COMMANDS`. A command reads arguments,
calls the layers below and prints. Logic that a run or a sensor also needs belongs to those layers.
"""

import importlib
import logging
import sys

import click

from pso_pipeline import __version__
from pso_pipeline.heap import importing

COMMANDS = {
    "backup": "Copy the warehouse into a folder, and verify the copy.",
    "check": "Check the settings, each token, the warehouse and the folders.",
    "demo": "Run the pipeline against the embedded sandbox API and serve the web UI.",
    "digest": "Print what changed in the last 7 and 28 days.",
    "forget": "Remove a guest's account everywhere and from later reads.",
    "freeze": "Write the catalog of a lake's marts into a file, for BI without PostgreSQL.",
    "init": "Write the files that a new installation needs.",
    "migrate": "Make the tables of the warehouse, or bring them up to this version.",
    "prune": "Remove logs and events of old runs.",
    "refresh": "Read changed orders, compute the metrics and publish the snapshot, once.",
    "report": "Write the HTML report from the published snapshot.",
    "restore": "Put a backup in the place of the warehouse.",
    "sandbox": "Serve the sandbox API only.",
    "status": "Show how fresh each hotel is, and all problems.",
    "up": "Run the sensors, the schedules and the web UI.",
}


class _LazyGroup(click.Group):
    """A group that imports a subcommand when it is called, because Dagster's import takes seconds."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # the signature of click.Group
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # the signature of click.Group
        if cmd_name not in COMMANDS:
            return None
        with importing():
            command: click.Command = importlib.import_module(f"pso_pipeline.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # the signature of click.Group
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _log_for_people() -> None:
    """Print warnings, such as retries, if standard error is a terminal.

    A cron mail contains only the result. Runs of the web UI have Dagster's log.
    """
    handler = logging.StreamHandler() if sys.stderr.isatty() else logging.NullHandler()
    handler.setLevel(logging.WARNING)
    logging.getLogger("pso_pipeline").addHandler(handler)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pso")
def main() -> None:
    """Load Mews product service orders into DuckDB, compute metrics and publish them for BI."""
    _log_for_people()
