"""Progress: what is shown, and that it is one line now and then where standard output is no terminal."""

import os
import pty
import select
import sys
import threading

from pso_pipeline.cli import progress
from pso_pipeline.cli.progress import shown_progress
from pso_pipeline.ingestion.activity import current_activity, is_watched, watching


def test_the_reads_of_a_refresh_can_be_followed(monkeypatch):
    printed, lines = threading.Event(), []

    def echo(line):
        lines.append(line)
        printed.set()

    monkeypatch.setattr(progress, "LINE_SECONDS", 0.01)
    monkeypatch.setattr("pso_pipeline.cli.progress.click.echo", echo)
    with shown_progress():
        activity = current_activity()
        activity.begin("reading orders")
        activity.hotels, activity.hotels_done = 50, 12
        activity.records, activity.expected, activity.requests = 31_000, 62_000, 42
        for _ in range(2):
            printed.clear()
            assert printed.wait(30)
    assert not is_watched()
    assert lines[-1].startswith("reading orders: 12 of 50 hotels, 31,000 records, 42 requests, 0 s")
    assert lines[-1].endswith(" left")


def test_without_a_watcher_nothing_is_kept():
    current_activity().begin("reading orders")
    assert current_activity().step == ""


def test_what_nobody_knows_is_not_shown():
    with watching() as activity:
        assert progress.describe(activity).startswith("starting: 0 s")
        activity.begin("publishing")
        assert "left" not in progress.describe(activity)


def test_a_terminal_shows_the_steps_while_dagster_sends_their_output_to_a_file(monkeypatch, tmp_path):
    reading, writing = pty.openpty()
    with (
        os.fdopen(reading, "rb", buffering=0) as screen,
        os.fdopen(writing, "w", encoding="utf-8") as output,
        (tmp_path / "log").open("w") as log,
    ):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stdout", output)
        with shown_progress() as activity:
            os.dup2(log.fileno(), output.fileno())
            activity.begin("reading orders")
            shown = b""
            while b"reading orders" not in shown:
                assert select.select([screen], [], [], 30)[0], shown
                shown += screen.read(1024)
    assert (tmp_path / "log").read_text() == ""
