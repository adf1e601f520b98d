"""`pso demo` runs the pipeline against the embedded sandbox API, then serves Dagster's web UI until Ctrl-C.

All its data are in `data/sandbox/`, separate from real data, with a `.env` for other commands. The sandbox continues
its history from one demo to the next, so a second demo reads only the changes. What the sandbox serves belongs to
`sandbox/`.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from pso_pipeline.bi.folder import DATABASE, REPORT
from pso_pipeline.bi.headlines import hotel_headlines
from pso_pipeline.cli.environment import FAILED, new_table, stop, terminal
from pso_pipeline.cli.files import write_new
from pso_pipeline.cli.refresh import run_refresh
from pso_pipeline.cli.serving import DEFAULT_PORT, check_port, serve
from pso_pipeline.environment import ENV_FILE
from pso_pipeline.text import for_terminal

HOME = Path("data/sandbox")
DEFAULT_ENTERPRISES = 5
ORDERS_PER_ENTERPRISE = 20_000
YEARS_OF_HISTORY = 2


@click.command("demo")
@click.option("--once", is_flag=True, help="Stop after the first complete load, without the web UI.")
@click.option(
    "--enterprises",
    type=click.IntRange(1),
    default=None,
    help=f"Number of hotels in the sandbox.  [default: {DEFAULT_ENTERPRISES}]",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True, help="Port of the web UI."
)
@click.option("--open", "opens", is_flag=True, help="Open the web UI in the browser once it answers.")
def command(once: bool, enterprises: int | None, port: int, opens: bool) -> None:  # click passes options by name
    """Serve the sandbox API, load its orders, print the metrics, and serve the web UI until Ctrl-C."""
    if not once:
        check_port(port)
    home = HOME.absolute()
    home.mkdir(parents=True, exist_ok=True)
    world = _world(home, enterprises)
    with _sandbox(world) as connection_settings:
        places = {"PSO_WAREHOUSE": home / "warehouse.duckdb", "PSO_BI_DIR": home / "bi"}
        settings = {**connection_settings, **{name: str(path) for name, path in places.items()}}
        os.environ.update(settings)
        _write_env_file(home, {**settings, "DAGSTER_HOME": str(home / "dagster")})
        click.echo(f"Sandbox API: {connection_settings['MEWS_PLATFORM_ADDRESS']}, {world['enterprises']:,} hotels")
        started = time.monotonic()
        succeeded = run_refresh(home / "dagster")
        click.echo(f"Refreshed in {time.monotonic() - started:.1f} s\n")
        if not succeeded:
            sys.exit(FAILED)
        _print_headlines(home / "bi")
        _print_next_steps(once=once)
        if not once:
            _serve_ui(home, port, opens=opens)


def _world(home: Path, enterprises: int | None) -> dict[str, int | str]:
    """Return the options of the sandbox: those of the existing demo, or new ones."""
    path = home / "world.json"
    today = datetime.now(UTC).date()
    world: dict[str, int | str] = (
        json.loads(path.read_text(encoding="utf-8"))
        if path.exists()
        else {
            "enterprises": enterprises or DEFAULT_ENTERPRISES,
            "since": f"{today.year - YEARS_OF_HISTORY}-{today.month:02}-01",
        }
    )
    if world.keys() != {"enterprises", "since"}:
        stop(f"{home} contains the demo of another version: remove that folder to start this one", FAILED)
    if enterprises is not None and enterprises != world["enterprises"]:
        stop(
            f"{home} contains a demo of {world['enterprises']} hotels: "
            f"remove that folder to start one of {enterprises}",
            FAILED,
        )
    path.write_text(json.dumps(world), encoding="utf-8")
    return world


@contextlib.contextmanager
def _sandbox(world: dict[str, int | str]) -> Iterator[dict[str, str]]:
    """Serve the sandbox in its own process; yield the settings of its API."""
    options = [part for name, value in world.items() for part in (f"--{name}", str(value))]
    orders = int(world["enterprises"]) * ORDERS_PER_ENTERPRISE
    arguments = [sys.executable, "-m", "pso_pipeline.sandbox", "--port", "0", "--orders", str(orders), *options]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # no shell; the options are our own
        try:
            lines = (line.strip().partition("=") for line in process.stdout or ())
            found: dict[str, str] = {}
            for name, _, value in lines:
                if name.startswith("MEWS_"):
                    found[name] = value
                if "MEWS_ACCESS_TOKENS" in found:
                    break
            if "MEWS_ACCESS_TOKENS" not in found:
                stop("the sandbox API did not start: see the messages above", FAILED)
            yield found
        finally:
            process.terminate()


def _print_headlines(bi_dir: Path) -> None:
    numbers = ("orders", "30-day cancellation rate", "served, of resolved", "as of (UTC)")
    table = new_table(("hotel", *numbers), numbers)
    for hotel in hotel_headlines(bi_dir):
        table.add_row(
            for_terminal(hotel.name),
            f"{hotel.orders:,}",
            _percent(hotel.cancellation_rate_30d),
            _percent(hotel.served_of_resolved),
            hotel.as_of_utc.strftime("%Y-%m-%d %H:%M") if hotel.as_of_utc else "not yet",
        )
    terminal().print(table)
    shown = Path(os.path.relpath(bi_dir))
    click.echo(f"\nReport: {shown / REPORT}\nBI snapshot: {shown / DATABASE}")


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"


def _write_env_file(home: Path, settings: Mapping[str, str]) -> None:
    """Let `pso` find the demo's data and API when it runs in the demo's folder."""
    path = home / ENV_FILE
    path.unlink(missing_ok=True)
    lines = "".join(f"{name}='{value}'\n" for name, value in settings.items())
    write_new(path, f"# Written by `pso demo`: the settings of the demo in this folder.\n{lines}")


def _print_next_steps(*, once: bool) -> None:
    commands = "`pso report` works" if once else "`pso check` and `pso report` work"
    steps = [
        f"open {HOME / 'bi' / REPORT} in a browser: the figures as one page",
        f"cd {HOME} && pso status: the state of each hotel; {commands} there too",
        "pso init: the files for your own hotels, which you fill in",
    ]
    if shutil.which("pso") is None:
        activate = Path(os.path.relpath(sys.prefix)) / "bin" / "activate"
        steps.insert(0, f"source {activate}: from then on `pso` is a command")
    click.echo("\nNext:")
    for number, step in enumerate(steps, 1):
        click.echo(f"  {number}. {step}")


def _serve_ui(home: Path, port: int, *, opens: bool) -> None:
    """Serve Dagster's web UI until Ctrl-C or SIGTERM; its output goes to a log file."""
    log = home / "dagster.log"
    click.echo(f"\nStarting the web UI (log: {log}) …")

    def announce(address: str) -> None:
        click.echo(f"Web UI: {address} (sensors and schedules are running). Ctrl-C ends the demo.")
        if opens:
            webbrowser.open(address)

    # `dagster dev` lets `.env` of the working directory win, and that may contain the settings of real data
    serve(port, home, log, announce)
