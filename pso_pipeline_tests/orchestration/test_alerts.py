"""Messages about hotels: once when one fails, once when it has recovered, whatever happens to the webhook."""

import http.server
import json
import threading

import filelock
import pytest

from pso_pipeline.automation import alerts
from pso_pipeline.automation.alerts import Message, decide_on_messages, decode_told, deliver
from pso_pipeline.warehouse.connection import Warehouse
from pso_pipeline.warehouse.reading import EnterpriseHealth
from pso_pipeline_tests.orchestration.daemon import keys_of
from pso_pipeline_tests.orchestration.test_partition_states import FAILED, MATERIALIZED, states


class Webhook:
    """Takes messages over HTTP on this machine; answers with the statuses queued in `answers`, else 200."""

    def __init__(self):
        self.messages: list[dict[str, str]] = []
        self.answers: list[int] = []
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = webhook.answers.pop(0) if webhook.answers else 200
                if status == 200:
                    webhook.messages.append(body)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/services/secret-part"


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


def health(**errors):
    return [EnterpriseHealth(key, f"{key}-key", key.title(), error) for key, error in errors.items()]


def told(decision):
    return [(message.event, message.enterprise_id, message.reason) for message in decision.messages]


def test_a_hotel_that_fails_is_said_once_and_its_recovery_once():
    decision = decide_on_messages(health(astoria="refused", bristol=None), {})
    assert told(decision) == [("hotel_failing", "astoria", "refused")]
    again = decide_on_messages(health(astoria="refused, RequestId 2", bristol=None), decision.failing)
    assert told(again) == []
    recovered = decide_on_messages(health(astoria=None, bristol=None), again.failing)
    assert told(recovered) == [("hotel_recovered", "astoria", "refused")]
    assert recovered.failing == {}


def test_a_hotel_that_went_out_of_scope_has_not_recovered():
    decision = decide_on_messages(health(bristol=None), {"astoria": "refused"})
    assert (told(decision), decision.failing) == ([], {})


def messages(count):
    return [Message("hotel_failing", "refused", f"h{n}-key", f"h{n}", f"H{n}") for n in range(count)]


def test_what_a_webhook_does_not_take_is_kept_in_order(webhook):
    webhook.answers = [200, 500, 500]
    delivered, problem = deliver(webhook.address, messages(3))
    assert (delivered, problem) == (1, "PSO_ALERT_WEBHOOK answered with status 500")
    assert [each["enterprise_id"] for each in webhook.messages] == ["h0"]


def test_a_message_is_tried_twice(webhook):
    webhook.answers = [503]
    assert deliver(webhook.address, messages(1)) == (1, None)


def test_a_webhook_that_is_not_there_says_no_address():
    delivered, problem = deliver("http://127.0.0.1:9/secret-part", messages(1))
    assert (delivered, problem) == (0, "PSO_ALERT_WEBHOOK does not answer (ConnectError)")


def test_what_takes_too_long_goes_out_with_the_next_evaluation(webhook):
    assert deliver(webhook.address, messages(2), seconds=-1) == (0, "there was no time left")


def test_messages_wait_for_a_webhook_that_is_down_and_are_logged_once(daemon, sandbox, world, webhook, capfd):
    daemon.read()
    world.refuse_service(next(iter(world.snapshot(world.clock.now()).services)))
    daemon.read()
    webhook.answers = [500, 500]
    assert "PSO_ALERT_WEBHOOK answered with status 500" in daemon.tick("hotel_alerts").skip_message
    daemon.tick("hotel_alerts")
    daemon.tick("hotel_alerts")
    assert [each["event"] for each in webhook.messages] == ["hotel_failing"]
    assert capfd.readouterr().err.count("cannot be read: ") == 1
    assert decode_told(daemon.cursors["hotel_alerts"]).undelivered == ()


def test_nothing_landed_is_nothing_to_say(daemon, sandbox):
    assert daemon.tick("hotel_alerts").skip_message == "0 new message(s), 0 hotel(s) fail"


def test_a_pipeline_that_cannot_publish_is_said_once_and_its_recovery_once(daemon, sandbox, webhook, monkeypatch):
    daemon.read()
    with monkeypatch.context() as broken:
        broken.setenv("PSO_BI_DIR", "data/warehouse.duckdb")
        for _ in range(2):
            assert not daemon.run(daemon.clock("hourly_refresh"))
            daemon.tick("hotel_alerts")
    (alert,) = webhook.messages
    assert (alert["event"], alert["hotel"]) == ("pipeline_failing", None)
    assert alert["text"].startswith("Nothing is published: nothing was published in data/warehouse.duckdb")
    assert daemon.run(daemon.clock("hourly_refresh"))
    daemon.tick("hotel_alerts")
    daemon.tick("hotel_alerts")
    assert [each["event"] for each in webhook.messages] == ["pipeline_failing", "pipeline_recovered"]


def test_hotels_that_fail_are_remembered_while_the_warehouse_cannot_be_read(
    daemon, sandbox, world, webhook, monkeypatch
):
    daemon.read()
    world.refuse_service(next(iter(world.snapshot(world.clock.now()).services)))
    daemon.read()
    daemon.tick("hotel_alerts")
    monkeypatch.setattr(alerts, "WAREHOUSE_SECONDS", 0.1)
    with filelock.FileLock(Warehouse("data/warehouse.duckdb").lock_path):
        assert "has held" in daemon.tick("hotel_alerts").skip_message
    daemon.tick("hotel_alerts")
    assert len(webhook.messages) == 1


def test_without_a_webhook_nothing_is_kept_for_one(daemon, sandbox, world):
    daemon.read()
    world.refuse_service(next(iter(world.snapshot(world.clock.now()).services)))
    daemon.read()
    daemon.tick("hotel_alerts")
    assert decode_told(daemon.cursors["hotel_alerts"]).undelivered == ()


def test_a_cursor_of_another_version_tells_nothing():
    assert decode_told('{"failing": 3}') == alerts.Told()


@pytest.fixture
def hotels_of_their_own(world, sandbox, monkeypatch):
    """Each hotel has its own token; gives the tokens by the hotel's name."""
    world.add_order(world.add_service(world.add_enterprise(Name="Carlton")))
    tokens = {}
    for hotel in world.snapshot(world.clock.now()).enterprises:
        tokens[hotel["Name"]] = f"TOKEN-OF-{hotel['Name'].upper()}"
        world.grant(tokens[hotel["Name"]], [hotel])
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", ",".join(tokens.values()))
    monkeypatch.setenv("MEWS_REQUESTS_PER_WINDOW", "1000000")
    return tokens


def test_one_revoked_token_is_one_red_hotel_one_alert_and_one_on_recovery(
    daemon, world, webhook, hotels_of_their_own, capfd
):
    """The issue's scene in small; the daemon decides everything."""
    token = hotels_of_their_own["Bristol"]
    assert daemon.run(daemon.tick("enterprise_discovery"))
    daemon.tick("order_updates")
    daemon.tick("hotel_alerts")
    (bristol,) = [key for key in states(daemon.instance) if key.startswith("bristol")]

    world.revoke(token)
    noticed = daemon.tick("order_updates")
    assert keys_of(noticed) == [bristol]
    assert not daemon.run(noticed)
    assert states(daemon.instance)[bristol] == FAILED
    assert sorted(state.value for state in states(daemon.instance).values()) == [
        "FAILED",
        "MATERIALIZED",
        "MATERIALIZED",
    ]
    world.change(next(iter(world.snapshot(world.clock.now()).orders)), State="Processed")
    change = daemon.tick("order_updates")
    assert bristol not in keys_of(change)
    assert daemon.run(change)
    for _ in range(2):
        daemon.tick("hotel_alerts")
        assert not daemon.run(daemon.clock("hourly_refresh"))
        assert daemon.tick("order_updates").run_requests == []
    daemon.tick("hotel_alerts")
    (alert,) = webhook.messages
    assert (alert["event"], alert["hotel"], alert["partition_key"]) == ("hotel_failing", "Bristol", bristol)
    assert "status 401" in alert["reason"]
    assert alert["text"].startswith(f"Bristol ({bristol}) cannot be read: ")

    world.grant(token, [bristol_id(world)])
    recovered = daemon.tick("order_updates")
    assert keys_of(recovered) == [bristol]
    assert daemon.run(recovered)
    assert set(states(daemon.instance).values()) == {MATERIALIZED}
    daemon.tick("hotel_alerts")
    daemon.tick("hotel_alerts")
    assert [each["event"] for each in webhook.messages] == ["hotel_failing", "hotel_recovered"]
    logged = "".join(capfd.readouterr()) + json.dumps(daemon.cursors) + json.dumps(webhook.messages)
    assert not any(secret in logged for secret in (*hotels_of_their_own.values(), world.client_token, "secret-part"))


def bristol_id(world):
    return next(each for each in world.snapshot(world.clock.now()).enterprises if each["Name"] == "Bristol")
