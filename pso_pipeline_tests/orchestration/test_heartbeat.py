"""The heartbeat: fetched after each successful publication; what becomes of it never ends a run, and it is a secret."""

import http.server
import logging
import threading

import pytest

from pso_pipeline.orchestration.heartbeat import send_heartbeat
from pso_pipeline.settings import Settings
from pso_pipeline_tests.orchestration.test_jobs import refresh


class Monitor:
    """What a service that takes signs of life has seen: the paths that were fetched; `status` is its answer."""

    def __init__(self):
        self.fetched: list[str] = []
        self.status = 200


@pytest.fixture
def monitor(monkeypatch):
    monitor = Monitor()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            monitor.fetched.append(self.path)
            self.send_response(monitor.status)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PSO_HEARTBEAT_URL", f"http://127.0.0.1:{server.server_port}/secret-part")
    yield monitor
    server.shutdown()
    server.server_close()
    thread.join()


def test_each_successful_publication_is_a_heartbeat_and_one_that_failed_is_none(
    instance, sandbox, monitor, monkeypatch
):
    assert refresh(instance).success
    assert monitor.fetched == ["/secret-part"]
    monkeypatch.setenv("PSO_BI_DIR", "data/warehouse.duckdb")
    assert not refresh(instance).success
    assert monitor.fetched == ["/secret-part"]


def test_a_monitor_that_fails_or_is_not_there_is_a_warning_without_its_address(sandbox, monitor, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monitor.status = 500
    send_heartbeat(Settings.load())
    monkeypatch.setenv("PSO_HEARTBEAT_URL", "http://127.0.0.1:9/secret-part")
    send_heartbeat(Settings.load())
    assert caplog.messages == [
        "PSO_HEARTBEAT_URL answered with status 500",
        "PSO_HEARTBEAT_URL does not answer (ConnectError)",
    ]
