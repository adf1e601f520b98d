"""One hostile text, wherever the API may put it, through every place where people read it."""

import json
import re
import unicodedata
from pathlib import Path

import pytest
from dagster import DagsterInstance, build_sensor_context
from dagster._serdes import serialize_value

from pso_pipeline.automation.alerts import hotel_alerts
from pso_pipeline.definitions import PIPELINE
from pso_pipeline.sandbox.faults import Answer
from pso_pipeline.sandbox.scripted import ScriptedWorld
from pso_pipeline.sandbox.server import serve
from pso_pipeline_tests.cli.conftest import pso
from pso_pipeline_tests.orchestration.test_alerts import webhook

__all__ = ["webhook"]

HOSTILE = (
    "[/b][red]x :smile: \x1b[31m\x1b]8;;http://evil.example\x07y\x9b2J \u202egnp.\u2066 "
    "![p](https://evil.example/p.png) [l](http://evil.example) <img src=https://evil.example/q.png onerror=alert(1)> "
    "</script><script>alert(2)</script> <!channel> <https://evil.example|Mews> @here & | `c`\r\nsecond line"
)
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ORDERS = "productServiceOrders/getAll"


@pytest.fixture
def sandbox(monkeypatch, tmp_path):
    """Two hotels whose every text is hostile, and one that fails with a hostile error."""
    world = ScriptedWorld()
    for _ in range(2):
        service = world.add_service(world.add_enterprise(Name=HOSTILE), Name=HOSTILE)
        for state in ("Started", HOSTILE):
            world.add_order(service, State=state, Origin=HOSTILE, CommanderOrigin=HOSTILE, OriginDetails=HOSTILE)
    failing = world.add_service(world.add_enterprise(Name=HOSTILE), Name=HOSTILE)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serve(world, requests_per_window=None) as running:
        monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", running.address)
        monkeypatch.setenv("MEWS_CLIENT_TOKEN", world.client_token)
        monkeypatch.setenv("MEWS_ACCESS_TOKENS", world.access_token)
        body = json.dumps({"Message": HOSTILE, "RequestId": HOSTILE}).encode()
        running.faults.add(
            Answer(400, body), operation=ORDERS, times=None, when=lambda asked: failing["Id"] in str(asked)
        )
        yield running


def is_inert(text):
    """No line has anything that a terminal would obey."""
    return not {unicodedata.category(each) for each in text.replace("\n", "")} & INVISIBLE


def texts_of(value):
    """Every text in what was read from JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each)


def test_terminal_web_ui_chat_and_report(sandbox, webhook, monkeypatch):
    refreshed = pso("refresh")
    assert refreshed.status == 1
    assert "evil.example" in refreshed.err
    for said in (refreshed, pso("status"), pso("check")):
        assert is_inert(said.out + said.err)
    assert "[/b]" in pso("check").out, "a terminal shows the name as it is"

    monkeypatch.setenv("DAGSTER_HOME", str(Path("data/dagster").absolute()))
    with DagsterInstance.get() as instance:
        events = [event for run in instance.get_runs() for event in instance.all_logs(run.run_id)]
        shown = [text for event in events for text in texts_of(json.loads(serialize_value(event)))]
        hostile = [text for text in shown if "evil.example" in text]
        assert len(hostile) > 10
        for text in hostile:
            assert is_inert(text)
            assert not re.search(r"https?://evil|\]\(|<img|<script|<!channel|@here", text), text
        with build_sensor_context(instance, resources={"pipeline": PIPELINE}) as context:
            hotel_alerts(context)
    assert webhook.messages
    for text in (text for message in webhook.messages for text in texts_of(message)):
        assert is_inert(text)
        assert not re.search(r"[<>\[\]`|]|https?://evil|@\S", text), text

    page = Path("data/bi/report.html").read_text(encoding="utf-8")
    assert "evil.example" in page
    assert not re.search(r"<img src=https|<script>alert|</script><script>alert", page)
