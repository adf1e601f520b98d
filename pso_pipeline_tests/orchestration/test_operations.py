"""Operations as data: what BI reads about the refreshes of a real instance, and about what Mews sends."""

from datetime import UTC, datetime, timedelta
from operator import itemgetter

import duckdb
import pytest

from pso_pipeline.orchestration.definitions import defs
from pso_pipeline.orchestration.runs import REQUESTED_BY
from pso_pipeline.warehouse.marts.derive import create_marts
from pso_pipeline.warehouse.operations import KEPT_FOR, Noted, copy_refreshes, note_refresh
from pso_pipeline.warehouse.schema_changes import copy_schema_changes, observe_schema, read_schema_changes
from pso_pipeline_tests.fakes.faults import Answer

ORDERS = "productServiceOrders/getAll"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def refresh(instance, **tags):
    return defs.get_job_def("refresh").execute_in_process(instance=instance, raise_on_error=False, tags=tags)


def published(table="ops_refreshes"):
    with duckdb.connect("data/bi/pso_bi.duckdb", read_only=True) as snapshot:
        found = snapshot.execute(f"SELECT * FROM mart.{table} ORDER BY ALL")
        names = [name for name, *_ in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_each_refresh_is_a_row_of_the_snapshot_that_it_publishes(instance, sandbox, world):
    assert refresh(instance).success
    world.change(world.snapshot(world.clock.now()).orders[0], State="Processed")
    result = refresh(instance, **{REQUESTED_BY: "order_updates"})
    first, second = sorted(published(), key=itemgetter("started_at"))
    assert (first["requested_by"], second["requested_by"]) == ("person", "order_updates")
    assert second["refresh_id"] == result.run_id
    counts = ("hotels_read", "hotels_failed", "orders_created", "orders_changed", "records_rejected")
    assert [tuple(row[name] for name in counts) for row in (first, second)] == [(2, 0, 6, 0, 0), (2, 0, 0, 1, 0)]
    for row in (first, second):
        assert row["started_at"] < row["ended_at"]
        assert row["seconds"] == pytest.approx((row["ended_at"] - row["started_at"]).total_seconds(), abs=0.002)
        assert row["cpu_seconds"] > 0
    requests = sum(len(sandbox.requests.of(each)) for each in (ORDERS, "orderItems/getAll", "products/getAll"))
    compared = 2
    assert first["requests"] + second["requests"] == requests - compared
    assert first["bytes_received"] > 6 * 500


def test_a_hotel_that_failed_is_counted(instance, sandbox, world):
    sandbox.faults.add(Answer(400, b"{}"), operation=ORDERS, times=None)
    assert not refresh(instance).success
    (row,) = published()
    assert (row["hotels_read"], row["hotels_failed"], row["orders_created"]) == (2, 2, 0)


@pytest.mark.stores("file", "lake")
def test_runs_of_one_refresh_add_up_and_rows_go_after_their_time(warehouse):
    with warehouse.open() as connection:
        old, shown = NOON - KEPT_FOR - timedelta(days=1), NOON - KEPT_FOR + timedelta(days=1)
        note_refresh(connection, Noted("old", "person", old))
        note_refresh(connection, Noted("shown", "person", shown))
        for hotels in (2, 3):
            note_refresh(connection, Noted("a", "hourly", NOON, hotels_read=hotels, requests=10, cpu_seconds=1.5))
        note_refresh(connection, Noted("a", "hourly", NOON + timedelta(seconds=60), NOON + timedelta(seconds=90)))
        found = connection.execute(
            "SELECT refresh_id, hotels_read, requests, seconds, cpu_seconds FROM mews.refreshes ORDER BY started_utc"
        ).fetchall()
        assert found == [("shown", 0, 0, None, 0.0), ("a", 5, 20, 90.0, 3.0)]
        create_marts(connection)
        for _ in range(2):
            copy_refreshes(connection)
            copied = connection.execute("SELECT refresh_id, seconds FROM mart.ops_refreshes").fetchall()
            assert copied == [("a", 90.0)]


def test_a_field_or_a_value_that_mews_adds_is_a_row_and_one_message(daemon, sandbox, world, webhook):
    instance = daemon.instance
    assert refresh(instance).success
    assert published("ops_schema_changes") == []
    order = world.snapshot(world.clock.now()).orders[0]
    world.change(order, State="Teleported", NewField=1, Options={"OwnerCheckedIn": True, "NewFlag": True})
    assert refresh(instance).success
    found = published("ops_schema_changes")
    assert [(row["field"], row["value"], row["change"]) for row in found] == [
        ("NewField", None, "added"),
        ("Options.NewFlag", None, "added"),
        ("State", "Teleported", "added"),
    ]
    assert {row["operation"] for row in found} == {ORDERS}
    for _ in range(2):
        daemon.tick("hotel_alerts")
    (message,) = [each for each in webhook.messages if each["event"] == "schema_changed"]
    for part in ("NewField was added", "Options.NewFlag was added", "State Teleported was added"):
        assert f"{ORDERS}: {part}" in message["text"]


ORDER = """
    INSERT INTO mews.product_service_orders BY NAME
    SELECT $id AS id, 'Confirmed' AS state, $voucher AS voucher_id, $read::TIMESTAMP AS fetched_utc
"""


def play(connection, days, voucher):
    """Let a record be read on each of these days, and look at it."""
    for day in days:
        read = NOON.replace(tzinfo=None) + timedelta(days=day)
        connection.execute(ORDER, {"id": f"order {day}", "voucher": voucher, "read": read})
        observe_schema(connection, read.replace(tzinfo=UTC))


def missing(connection):
    return [(each.field, each.value) for each in read_schema_changes(connection) if each.change == "stopped"]


@pytest.mark.stores("file", "lake")
def test_a_field_that_mews_stops_sending_is_missing_after_28_days_with_records(warehouse):
    with warehouse.open() as connection:
        play(connection, range(14), voucher="v")
        play(connection, range(14, 41), voucher=None)
        assert missing(connection) == []
        play(connection, [60], voucher=None)
        assert missing(connection) == [("VoucherId", None)]
        create_marts(connection)
        for _ in range(2):
            copy_schema_changes(connection)
        copied = connection.execute("SELECT field, change FROM mart.ops_schema_changes").fetchall()
        assert copied == [("VoucherId", "stopped")]
        play(connection, [61], voucher="v")
        assert missing(connection) == []


def test_a_record_that_lands_after_others_that_were_read_later_is_looked_at(warehouse):
    with warehouse.open() as connection:
        play(connection, [0], voucher=None)
        for minutes, state in ((-8, "Mislaid"), (-4, "Lost")):
            read = NOON.replace(tzinfo=None) + timedelta(minutes=minutes)
            connection.execute(ORDER, {"id": state, "voucher": None, "read": read})
            connection.execute("UPDATE mews.product_service_orders SET state = id WHERE id = $id", {"id": state})
            for _ in range(2):
                observe_schema(connection, NOON + timedelta(minutes=1))
        added = {each.value for each in read_schema_changes(connection) if each.change == "added"}
        assert {"Mislaid", "Lost"} <= added
        days = connection.execute("SELECT max(days_seen) FROM mews.seen_schema").fetchall()
        assert days == [(1,)], "a day counts once"


def test_a_pause_of_the_pipeline_and_a_rare_field_are_not_missing(warehouse):
    with warehouse.open() as connection:
        play(connection, range(14), voucher="v")
        play(connection, [100], voucher=None)
        play(connection, range(101, 115), voucher=None)
        assert missing(connection) == []
        for day in range(115, 200, 5):
            play(connection, [day], voucher="v" if day % 10 else None)
        assert missing(connection) == []
