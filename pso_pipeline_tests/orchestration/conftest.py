"""A scripted world, the environment that points to it, and a Dagster instance: in memory, or on disk with a queue."""

import threading
from datetime import timedelta

import pytest
from dagster import DagsterInstance, instance_for_test

from pso_pipeline.orchestration import repeating
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.webhook import Webhook
from pso_pipeline_tests.orchestration.daemon import SmallDaemon


@pytest.fixture
def instance():
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def every_outcome(monkeypatch):
    """Let a refresh record outcomes that are the same as before."""
    monkeypatch.setattr(repeating, "REPEATED_AFTER", timedelta())


@pytest.fixture
def daemon():
    queue = {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator"}
    with instance_for_test(overrides={"run_coordinator": queue, "telemetry": {"enabled": False}}) as instance:
        yield SmallDaemon(instance)


@pytest.fixture
def world():
    world = ScriptedWorld()
    orders = []
    for name in ("Astoria", "Bristol"):
        service = world.add_service(world.add_enterprise(Name=name))
        orders += [world.add_order(service, State=state) for state in ("Confirmed", "Started", "Canceled")]
    for order in orders:
        world.add_item(order)
    for order in orders[::3]:
        world.add_product(order["ServiceId"])
    return world


@pytest.fixture
def webhook(monkeypatch):
    webhook = Webhook()
    monkeypatch.setenv("PSO_ALERT_WEBHOOK", webhook.address)
    thread = threading.Thread(target=webhook.server.serve_forever)
    thread.start()
    yield webhook
    webhook.server.shutdown()
    webhook.server.server_close()
    thread.join()
