"""Progress of long work: one line that changes on a terminal, and one line every 30 seconds elsewhere."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator

import click
from rich.live import Live
from rich.spinner import Spinner

from pso_pipeline.cli.environment import terminal
from pso_pipeline.ingestion.activity import Activity, watching

LINE_SECONDS = 30.0
"""Time between two lines where standard output is no terminal."""

LEAST_SHARE = 0.02
"""Part that must be done before the time that is left is estimated."""


@contextlib.contextmanager
def shown_progress() -> Iterator[Activity]:
    """Show what is done within the block, until its end."""
    with watching() as activity, _live(activity) if terminal().is_terminal else _lines(activity):
        yield activity


@contextlib.contextmanager
def _live(activity: Activity) -> Iterator[None]:
    spinner = Spinner("dots")

    def line() -> Spinner:
        spinner.update(text=describe(activity))
        return spinner

    # while a step is executed, Dagster lets the number of standard output name a file
    with (
        os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as output,
        Live(get_renderable=line, console=terminal(output), transient=True, refresh_per_second=4),
    ):
        yield


@contextlib.contextmanager
def _lines(activity: Activity) -> Iterator[None]:
    ended = threading.Event()

    def print_lines() -> None:
        while not ended.wait(LINE_SECONDS):
            click.echo(describe(activity))

    thread = threading.Thread(target=print_lines, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def describe(activity: Activity) -> str:
    """Describe in one line what is done, how far it has come, and how long it takes."""
    parts = [f"{activity.hotels_done:,} of {activity.hotels:,} hotels"] if activity.hotels else []
    if activity.requests:
        parts += [f"{activity.records:,} records", f"{activity.requests:,} requests"]
    seconds = time.monotonic() - activity.began
    return f"{activity.step or 'starting'}: {', '.join([*parts, _duration(seconds)])}{_left(activity, seconds)}"


def _left(activity: Activity, seconds: float) -> str:
    """Estimate the time that is left by the records, or by the hotels where their number is not known."""
    done, whole = activity.records, activity.expected
    if not whole:
        done, whole = activity.hotels_done, activity.hotels
    share = min(done / whole, 1) if whole else 0
    return f", about {_duration(seconds / share - seconds)} left" if LEAST_SHARE <= share < 1 else ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
