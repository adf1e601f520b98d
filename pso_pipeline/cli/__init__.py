"""The `pso` command: each subcommand in a module of its own, loaded when it is called.

Add a subcommand as a module with a function `command` and a row in `COMMANDS`. A command reads arguments, calls what
lies below and prints; it decides nothing that a run or a sensor would decide otherwise.
"""

import importlib
import logging
import sys

import click

from pso_pipeline import __version__
from pso_pipeline.heap import importing

COMMANDS = {
    "check": "Say whether settings, tokens and warehouse work, before anything is read.",
    "demo": "Run the whole pipeline against the embedded sandbox and open the web UI.",
    "forget": "Remove a guest's account everywhere, and keep it out of later reads.",
    "refresh": "Read what changed, derive the metrics, publish the snapshot; once.",
    "report": "Write the HTML report from the published snapshot.",
    "sandbox": "Serve the sandbox API alone.",
    "status": "Say how fresh every hotel is, and what is wrong.",
}


class _LazyGroup(click.Group):
    """Imports a subcommand when it is asked for: Dagster alone takes seconds, which `pso --help` need not."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click.Group calls it with this
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click.Group calls it with this
        if cmd_name not in COMMANDS:
            return None
        with importing():
            command: click.Command = importlib.import_module(f"pso_pipeline.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click.Group calls it with this
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _log_for_people() -> None:
    """Show warnings (the API is asked again, a token is on hold) to who waits at a terminal, and nobody else.

    In a file or a cron mail the outcome is what counts; runs of the web UI have the log of Dagster.
    """
    handler = logging.StreamHandler() if sys.stderr.isatty() else logging.NullHandler()
    handler.setLevel(logging.WARNING)
    logging.getLogger("pso_pipeline").addHandler(handler)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pso")
def main() -> None:
    """Bring Mews product service orders into DuckDB, derive metrics, publish them for BI."""
    _log_for_people()
