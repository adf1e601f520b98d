"""Tests that Dagster is started again after its code server or its daemon was killed."""

import contextlib
import math
import os
import signal
import threading
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from pso_pipeline.cli import serving
from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline_tests.cli.test_demo import free_port


def wait_for(condition, seconds=240):
    """Wait until something is true."""
    patiently = Retrying(
        retry=retry_if_result(lambda found: not found), wait=wait_fixed(0.2), stop=stop_after_delay(seconds)
    )
    return patiently(condition)


class Serving:
    """Dagster, kept running in a thread of this process, with checks that follow each other closely."""

    def __init__(self, folder):
        self.port = free_port()
        self._folder = folder
        self.messages: list[str] = []
        self.status: int | None = None
        self._thread = threading.Thread(target=self._serve, args=(folder,))
        self._thread.start()

    def _serve(self, folder):
        self.status = serving.keep_serving(self.port, folder, folder / "dagster.log", self.messages.append)

    def processes(self, words):
        """The processes of this server whose command line has these words."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                line = path.read_bytes().replace(b"\0", b" ").decode()
                if words in line and path.with_name("cwd").readlink() == self._folder:
                    found.append(int(path.parent.name))
        return found

    def end(self):
        self._thread.join()


@pytest.fixture
def served(monkeypatch, tmp_path):
    monkeypatch.setattr(serving, "CHECK_SECONDS", 2.0)
    monkeypatch.setattr(serving, "LOST_CHECKS", 2)
    monkeypatch.setattr(serving, "STEADY_SECONDS", 0.0)
    monkeypatch.setattr(serving, "ENDING_SECONDS", 5.0)
    prepare_dagster_home(tmp_path / "dagster")
    served = Serving(tmp_path)
    yield served
    monkeypatch.setattr(serving, "STEADY_SECONDS", math.inf)
    for process in served.processes("dagster dev"):
        os.kill(process, signal.SIGKILL)
    served.end()


@pytest.mark.parametrize("words", ["dagster api grpc", "dagster._daemon run"])
def test_a_process_of_dagster_that_was_killed_is_started_again(served, words):
    wait_for(lambda: serving.has_code_location(served.port))
    (process,) = served.processes(words)
    os.kill(process, signal.SIGKILL)
    wait_for(lambda: served.messages)
    wait_for(lambda: serving.has_code_location(served.port))
    assert served.messages == ["Dagster has lost one of its processes and is started again"]
    (again,) = served.processes(words)
    assert again != process
