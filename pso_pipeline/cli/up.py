"""`pso up` runs Dagster's code server, daemon and web server for real data, until Ctrl-C or SIGTERM."""

import webbrowser
from pathlib import Path

import click

from pso_pipeline.cli.environment import FAILED, load_settings, stop
from pso_pipeline.cli.instance import InstanceUnusable, open_instance
from pso_pipeline.cli.serving import DEFAULT_PORT, check_port, serve


@click.command("up")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True, help="Port of the web UI."
)
@click.option("--open", "opens", is_flag=True, help="Open the web UI in the browser once it answers.")
def command(port: int, opens: bool) -> None:  # click passes options by name
    """Run the sensors, the schedules and the web UI until Ctrl-C or SIGTERM, and end all of them then."""
    settings = load_settings()
    check_port(port)
    try:
        # Dagster's processes that make its files at the same time fail
        with open_instance(settings.dagster_home):
            pass
    except InstanceUnusable as error:
        stop(str(error), FAILED)
    click.echo("Starting Dagster …")

    def announce(address: str) -> None:
        click.echo(f"Web UI: {address}. Sensors and schedules are running. Ctrl-C ends them.")
        if opens:
            webbrowser.open(address)

    serve(port, Path.cwd(), None, announce)
