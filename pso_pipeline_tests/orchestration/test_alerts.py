"""Messages about hotels: once when one fails, once when it has recovered, whatever happens to the webhook."""

import functools
import json
from datetime import UTC, datetime, timedelta

import filelock
import pytest
from dagster import AssetKey, DagsterRunStatus

from pso_pipeline.definitions import defs
from pso_pipeline.ingestion.causes import cause_of
from pso_pipeline.mews.retry import RetryPolicy
from pso_pipeline.orchestration import alerts, evaluations
from pso_pipeline.orchestration.alerts import decide_on, decide_on_messages, decode_alert_state, find_overdue_refresh
from pso_pipeline.orchestration.evaluations import read_api_problem
from pso_pipeline.orchestration.messages import Hotel, deliver, message_about
from pso_pipeline.orchestration.outcomes import Outcome, read_last_outcome
from pso_pipeline.orchestration.runs import KILLED_TAG
from pso_pipeline.warehouse.reading import EnterpriseHealth
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.fakes.faults import Answer
from pso_pipeline_tests.orchestration.daemon import keys_of
from pso_pipeline_tests.orchestration.test_checks import change_warehouse
from pso_pipeline_tests.orchestration.test_jobs import materializations
from pso_pipeline_tests.orchestration.test_partition_states import FAILED, MATERIALIZED, states

STORE_TWICE = """
    INSERT INTO mews.product_service_orders
    FROM mews.product_service_orders ORDER BY enterprise_id LIMIT 1
"""


def health(**errors):
    return [EnterpriseHealth(key, f"{key}-key", key.title(), error) for key, error in errors.items()]


def messages_of(decision):
    return [(message.event, message.enterprise_id, message.reason) for message in decision.messages]


def test_a_hotel_that_fails_is_said_once_and_its_recovery_once():
    decision = decide_on_messages(health(astoria="refused", bristol=None), {})
    assert messages_of(decision) == [("hotel_failing", "astoria", "refused")]
    again = decide_on_messages(health(astoria="refused, RequestId 2", bristol=None), decision.failing)
    assert messages_of(again) == []
    recovered = decide_on_messages(health(astoria=None, bristol=None), again.failing)
    assert messages_of(recovered) == [("hotel_recovered", "astoria", "refused")]
    assert recovered.failing == {}


def test_a_hotel_that_went_out_of_scope_has_not_recovered():
    decision = decide_on_messages(health(bristol=None), {"astoria": "refused"})
    assert (messages_of(decision), decision.failing) == ([], {})


def test_hotels_that_fail_for_one_cause_are_one_message_and_their_recovery_another():
    reasons = {f"h{n:03}": f"services/getAll: refused (status 403, RequestId R{n})" for n in range(240)}
    decision = decide_on_messages(health(**reasons, other="too many requests"), {})
    first, second = decision.messages
    assert (first.event, first.count, len(first.hotels), first.partition_key) == ("hotel_failing", 240, 100, None)
    assert first.text == "240 hotels (H000, H001, H002, …) cannot be read: " + reasons["h000"]
    assert first.hotels[99] == Hotel("h099-key", "h099", "H099")
    assert (second.text, second.enterprise_id) == ("Other (other-key) cannot be read: too many requests", "other")
    assert len(decision.failing) == 241
    (again,) = decide_on_messages(health(**dict.fromkeys(reasons), other="again"), decision.failing).messages
    assert again.text == f"Read again: 240 hotels (H000, H001, H002, …); the failure was: {reasons['h000']}"


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        (
            "services/getAll: refused (status 403, RequestId a-1)",
            "orders/getAll: refused (status 403, RequestId b)",
            True,
        ),
        (
            "x/getAll: http://a has failed 5 times in a row; last: it failed (status 500)",
            "y/z: it failed (status 500)",
            True,
        ),
        ("no access token 1 sees it", "no access token 12 sees it", True),
        ("the token was refused", "the server failed", False),
    ],
)
def test_the_same_cause_is_known_by_what_no_single_request_adds(one, other, are_same):
    assert (cause_of(one) == cause_of(other)) is are_same


def test_an_outage_of_the_api_is_one_message_red_assets_and_one_message_when_it_is_over(
    daemon, sandbox, webhook, monkeypatch
):
    """With the refreshes in between, which fail every hotel; nothing shows a row or a success that was not read."""
    monkeypatch.setattr("pso_pipeline.mews.client.RetryPolicy", functools.partial(RetryPolicy, attempts=1))
    monkeypatch.setattr(alerts, "BRIEF", RetryPolicy(attempts=1))
    monkeypatch.setattr(evaluations, "BRIEF", RetryPolicy(attempts=1))
    instance = daemon.instance
    assert daemon.run(daemon.clock("hourly_refresh"))
    daemon.tick("hotel_alerts")
    listed = {name: len(materializations(instance, AssetKey(name))) for name in ("enterprises", "services")}
    assert read_api_problem(instance) is None

    sandbox.faults.add(Answer(503), times=None)
    daemon.tick("hotel_alerts")
    assert webhook.messages == []
    outage = daemon.tick("hotel_alerts")
    assert "the server failed" in str(read_api_problem(instance))
    assert keys_of(outage) is None
    assert not daemon.run(outage)
    assert set(states(instance).values()) == {FAILED}
    for name, count in listed.items():
        assert len(materializations(instance, AssetKey(name))) == count
        assert is_failed(instance, name)
    for _ in range(2):
        assert daemon.tick("hotel_alerts").run_requests == []
    (said,) = webhook.messages
    assert (said["event"], said["text"][:36]) == ("api_failing", "The API does not answer: enterprises")

    sandbox.faults.clear()
    recovery = daemon.tick("hotel_alerts")
    assert read_api_problem(instance) is None
    assert daemon.run(recovery)
    assert set(states(instance).values()) == {MATERIALIZED}
    assert not is_failed(instance, "enterprises")
    for _ in range(2):
        daemon.tick("hotel_alerts")
    assert [each["event"] for each in webhook.messages] == ["api_failing", "api_recovered"]


def is_failed(instance, name):
    """Whether the web UI shows an asset as failed: its last run, which was to materialize it, did not."""
    (record,) = instance.get_asset_records([AssetKey(name)])
    entry = record.asset_entry
    return (
        instance.get_run_by_id(entry.last_run_id).status is DagsterRunStatus.FAILURE
        and entry.last_materialization.run_id != entry.last_run_id
    )


def test_hotels_that_still_fail_long_after_an_outage_are_spoken_of():
    outage = decide_on_messages(health(astoria="down", bristol="down"), {}, in_outage=True)
    assert (messages_of(outage), outage.failing, sorted(outage.suppressed)) == ([], {}, ["astoria", "bristol"])
    settling = decide_on_messages(health(astoria="down", bristol=None), {}, outage.suppressed, in_outage=True)
    assert (messages_of(settling), sorted(settling.suppressed)) == ([], ["astoria"])
    after = decide_on_messages(health(astoria="down", bristol=None), {}, settling.suppressed)
    assert messages_of(after) == [("hotel_failing", "astoria", "down")]


NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ended_hours_ago", "on_for_hours", "is_silent"),
    [(1, 9, False), (2.9, 9, False), (3.1, 9, True), (9, 2.9, False), (None, 2.9, False), (None, 3.1, True)],
)
def test_that_nothing_finished_is_said_once_and_that_refreshes_end_again(ended_hours_ago, on_for_hours, is_silent):
    last = None if ended_hours_ago is None else Outcome(NOON - timedelta(hours=ended_hours_ago), None)
    problem = find_overdue_refresh(last, NOON - timedelta(hours=on_for_hours), NOON, timedelta(hours=3))
    assert (problem is not None) is is_silent
    decision = decide_on("refreshes", problem, {})
    assert [each.text[:27] for each in decision.messages] == (["No refresh has ended since "] if is_silent else [])
    assert decide_on("refreshes", problem, decision.failing).messages == ()
    recovered = decide_on("refreshes", None, decision.failing)
    assert [each.event for each in recovered.messages] == (["refreshes_recovered"] if is_silent else [])


def test_a_run_that_was_killed_says_nothing_of_the_pipeline(daemon, sandbox, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setenv("PSO_BI_DIR", "data/warehouse.duckdb")
        assert not daemon.run(daemon.clock("hourly_refresh"))
    last = read_last_outcome(daemon.instance)
    assert last is not None
    assert str(last.problem).startswith("nothing was published in data/warehouse.duckdb")
    run = daemon.instance.create_run_for_job(defs.resolve_job_def("refresh"), tags={KILLED_TAG: "true"})
    daemon.instance.report_run_failed(run)
    assert read_last_outcome(daemon.instance) == last


def messages(count):
    return [message_about("hotel_failing", "refused", [Hotel(f"h{n}-key", f"h{n}", f"H{n}")]) for n in range(count)]


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
    assert decode_alert_state(daemon.cursors["hotel_alerts"]).undelivered == ()


def test_a_hotel_that_a_check_holds_back_is_said_once_and_its_publication_once(daemon, sandbox, webhook):
    assert daemon.run(daemon.clock("hourly_refresh"))
    daemon.tick("hotel_alerts")
    change_warehouse(STORE_TWICE)
    assert not daemon.run(daemon.clock("hourly_refresh"))
    daemon.tick("hotel_alerts")
    daemon.tick("hotel_alerts")
    (held_back,) = webhook.messages
    assert (held_back["event"], held_back["count"]) == ("hotel_held_back", 1)
    assert held_back["text"].startswith(
        f"Newest figures not published: {held_back['hotel']} ({held_back['partition_key']}): "
    )
    assert "ids_are_unique" in held_back["reason"]
    change_warehouse(
        "DELETE FROM mews.product_service_orders WHERE id IN ("
        "SELECT id FROM mews.product_service_orders GROUP BY id HAVING count(*) > 1)"
    )
    assert daemon.run(daemon.clock("hourly_refresh"))
    daemon.tick("hotel_alerts")
    daemon.tick("hotel_alerts")
    assert [each["event"] for each in webhook.messages] == ["hotel_held_back", "hotel_published_again"]
    assert webhook.messages[1]["enterprise_id"] == held_back["enterprise_id"]


def test_nothing_landed_is_nothing_to_say(daemon, sandbox):
    assert daemon.tick("hotel_alerts").skip_message == "0 new message(s), 0 failing hotel(s)"


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
    assert decode_alert_state(daemon.cursors["hotel_alerts"]).undelivered == ()


def test_a_cursor_of_another_version_tells_nothing():
    assert decode_alert_state('{"failing": 3}') == alerts.AlertState()


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
