"""A person opens the partitions page, presses Materialize, and sees the partition turn green."""

import contextlib
import os
import socket
import subprocess
import sys
import threading

import pytest
from dagster import DagsterInstance, materialize

from pso_pipeline.orchestration.assets import enterprises, services
from pso_pipeline.orchestration.definitions import PIPELINE
from pso_pipeline_tests.browser import chromium
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve

LONGEST_WAIT_SECONDS = 180
"""How long a step may take on a machine that does other things too; on two idle cores the whole test takes 40 s."""

INSTANCE = """
telemetry: {enabled: false}
nux: {enabled: false}
run_coordinator: {module: dagster.core.run_coordinator, class: DefaultRunCoordinator}
"""
"""Runs start at once, without a daemon that would have to take them from a queue."""


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    """A sandbox with two hotels that have been listed and not been read."""
    world = ScriptedWorld()
    for name in ("Astoria", "Bristol"):
        service = world.add_service(world.add_enterprise(Name=name))
        for state in ("Confirmed", "Started", "Canceled"):
            world.add_order(service, State=state)
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(INSTANCE, encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with serve(world, requests_per_window=None) as sandbox:
        monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", sandbox.address)
        monkeypatch.setenv("MEWS_CLIENT_TOKEN", world.client_token)
        monkeypatch.setenv("MEWS_ACCESS_TOKENS", world.access_token)
        with DagsterInstance.get() as instance:
            assert materialize([enterprises, services], instance=instance, resources={"pipeline": PIPELINE}).success
        yield


@pytest.fixture
def web_ui(pipeline, tmp_path):
    """The address of the web server, which is ended with everything it started."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dagster_webserver", "-m", "pso_pipeline.definitions", "-h", "127.0.0.1"]
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(
        [*command, "-p", str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as server:
        try:
            said: list[str] = []
            for line in server.stdout or ():
                said.append(line)
                if "Serving dagster-webserver" in line:
                    break
            else:
                pytest.fail("the web server did not start:\n" + "".join(said))
            # a pipe that nobody empties would stop the runs, which write their log to it
            emptying = threading.Thread(target=said.extend, args=(server.stdout,))
            emptying.start()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
        emptying.join()


def test_a_partition_is_materialized_by_pressing_the_button(web_ui):
    with (
        chromium() as browser,
        contextlib.closing(browser.new_context(viewport={"width": 1440, "height": 900})) as context,
    ):
        page = context.new_page()
        page.set_default_timeout(LONGEST_WAIT_SECONDS * 1000)
        page.goto(f"{web_ui}/assets/product_service_orders?view=partitions&partition=astoria-00000001")
        page.get_by_text("Missing (2)").wait_for()
        page.get_by_role("button", name="Materialize").first.click()
        page.get_by_role("button", name="Launch 1 run").click()
        page.get_by_text("Materialized (1)").wait_for()
        page.get_by_text("Missing (1)").wait_for()
        page.reload()
        page.get_by_text("dagster/partition_row_count").wait_for()
        assert page.get_by_text("Astoria", exact=True).is_visible()
        page.goto(f"{web_ui}/assets/product_service_orders?view=checks")
        page.get_by_text("Succeeded").first.wait_for()
        assert page.get_by_text("Welcome to Dagster").count() == 0, "no first-visit dialog"
