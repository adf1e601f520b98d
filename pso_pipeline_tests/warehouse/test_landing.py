"""Landing orders: whatever pages come, in whatever order and however often, the same table stands at the end."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS
from pso_pipeline.contract.warehouse import REJECTED_RECORDS
from pso_pipeline.ingestion.batches import SEEN
from pso_pipeline.warehouse.landing.progress import Completed
from pso_pipeline.warehouse.landing.records import Landing, land_records
from pso_pipeline.warehouse.schema import create_tables
from pso_pipeline_tests.warehouse.frames import frame_of

START = datetime(2026, 1, 1, tzinfo=UTC)
CONTENT = [name for name in PRODUCT_SERVICE_ORDERS.table.column_names if name != "fetched_utc"]


def order(identifier="o1", *, updated=0, fetched=0, state="Confirmed", service="s1", **fields):
    """One row of the frame; `updated` and `fetched` are seconds after START."""
    row = dict.fromkeys(PRODUCT_SERVICE_ORDERS.table.column_names)
    return row | {
        "id": identifier,
        "enterprise_id": "e1",
        "service_id": service,
        "state": state,
        "created_utc": START.replace(tzinfo=None),
        "updated_utc": START.replace(tzinfo=None) + timedelta(seconds=updated),
        "is_missing_from_source": False,
        "fetched_utc": START.replace(tzinfo=None) + timedelta(seconds=fetched),
        **fields,
    }


def landing(*rows, rejects=(), seen=(), progress=()):
    return Landing(
        PRODUCT_SERVICE_ORDERS,
        records=frame_of(PRODUCT_SERVICE_ORDERS.table, rows),
        rejects=frame_of(REJECTED_RECORDS, rejects),
        seen=frame_of(SEEN, seen),
        progress=progress,
    )


def current(connection):
    columns = ", ".join(CONTENT)
    return connection.execute(f"SELECT {columns} FROM mews.product_service_orders ORDER BY ALL").fetchall()


def versions(connection):
    return connection.execute(
        "SELECT id, updated_utc, state FROM mews.product_service_order_versions ORDER BY ALL"
    ).fetchall()


def states(connection):
    return connection.execute("SELECT id, state FROM mews.product_service_orders ORDER BY ALL").fetchall()


def test_a_newer_version_replaces_and_both_are_kept(warehouse):
    with warehouse.open() as connection:
        land_records(connection, landing(order(updated=0, state="Confirmed")))
        landed = land_records(connection, landing(order(updated=5, fetched=9, state="Canceled")))
        assert states(connection) == [("o1", "Canceled")]
        assert [state for *_, state in versions(connection)] == ["Confirmed", "Canceled"]
    assert [(each.scope_id, each.created, each.changed) for each in landed.scopes] == [("s1", 0, 1)]


def test_an_older_version_that_comes_late_is_kept_and_does_not_win(warehouse):
    with warehouse.open() as connection:
        land_records(connection, landing(order(updated=5, state="Canceled")))
        landed = land_records(connection, landing(order(updated=0, fetched=9, state="Confirmed")))
        assert states(connection) == [("o1", "Canceled")]
        assert [state for *_, state in versions(connection)] == ["Confirmed", "Canceled"]
    assert landed.scopes == []


def test_a_version_dated_in_the_future_gives_way_to_the_next_one_that_is_read(warehouse):
    with warehouse.open() as connection:
        far = order(updated=400 * 86400, fetched=5, state="Confirmed")
        for row, current_state in (
            (far, "Confirmed"),
            (order(updated=9, fetched=10, state="Canceled"), "Canceled"),
            (far | {"fetched_utc": START.replace(tzinfo=None) + timedelta(seconds=20)}, "Confirmed"),
            (order(updated=29, fetched=30, state="Started"), "Started"),
        ):
            land_records(connection, landing(row))
            assert states(connection) == [("o1", current_state)]
        assert sorted(state for *_, state in versions(connection)) == ["Canceled", "Confirmed", "Started"]


def test_two_edits_within_one_second_end_with_the_one_read_last(warehouse):
    with warehouse.open() as connection:
        land_records(connection, landing(order(updated=5, fetched=5, state="Confirmed")))
        land_records(connection, landing(order(updated=5, fetched=6, state="Canceled")))
        assert states(connection) == [("o1", "Canceled")]
        land_records(connection, landing(order(updated=5, fetched=7, state="Confirmed")))
        assert states(connection) == [("o1", "Confirmed")]
        assert sorted(state for *_, state in versions(connection)) == ["Canceled", "Confirmed"]


def read_to_its_end(service="s1"):
    return Completed(service, "e1", START, START, is_full=True)


def changed(connection):
    return connection.execute("SELECT scope_id, id, revision FROM mews.changed_records ORDER BY ALL").fetchall()


def test_orders_that_change_after_the_first_read_are_noted_with_their_services_revision(warehouse):
    with warehouse.open() as connection:
        land_records(connection, landing(order("o1", updated=5), order("o2"), progress=[read_to_its_end()]))
        assert changed(connection) == [], "a first read is the whole hotel's"
        land_records(connection, landing(order("o3"), order("o4", service="new")))
        assert changed(connection) == [("s1", "o3", 2)]
        land_records(connection, landing(order("o2", updated=5, state="Canceled"), order("o1", updated=5)))
        assert changed(connection) == [("s1", "o2", 3), ("s1", "o3", 2)]
        land_records(connection, landing(order("o1", updated=0, state="Optional")))
        assert changed(connection)[0] == ("s1", "o1", 4), "an older version changes how the order moved between states"
        land_records(connection, landing(order("o1", updated=5), order("o2", updated=5, state="Canceled")))
        assert len(changed(connection)) == 3, "read again, nothing changed"


def test_an_order_that_moves_to_another_hotels_service_counts_there_alone_and_is_noted_for_both(warehouse):
    of_two = [read_to_its_end(), Completed("s2", "e2", START, START, is_full=True)]
    with warehouse.open() as connection:
        land_records(connection, landing(order("o1"), order("o2"), progress=of_two))
        moved = order("o1", updated=5, fetched=9, service="s2", enterprise_id="e2")
        land_records(connection, landing(moved))
        query = "SELECT id, service_id, enterprise_id FROM mews.product_service_order{} ORDER BY ALL"
        assert connection.execute(query.format("s")).fetchall() == [("o1", "s2", "e2"), ("o2", "s1", "e1")]
        assert connection.execute(query.format("_versions")).fetchall() == [
            ("o1", "s1", "e1"),
            ("o1", "s2", "e2"),
            ("o2", "s1", "e1"),
        ]
        assert changed(connection) == [("s1", "o1", 2), ("s2", "o1", 1)]
        land_records(connection, landing(moved))
        assert len(changed(connection)) == 2, "read again, nothing changed"
        land_records(connection, landing(order("o1", updated=2, fetched=10, state="Optional")))
        assert changed(connection)[-1] == ("s2", "o1", 2), "an older version of the old service changes its history"


def test_landing_the_same_page_again_changes_nothing(warehouse):
    page = [order("o1", extra='{"New":1}'), order("o2", state="Martian", cancelled_utc=None)]
    with warehouse.open() as connection:
        land_records(connection, landing(*page))
        before = current(connection), versions(connection)
        again = land_records(connection, landing(*[{**row, "fetched_utc": START.replace(year=2027)} for row in page]))
        assert (current(connection), versions(connection)) == before
    assert again.scopes == []


def test_an_order_twice_in_one_page_lands_once_in_its_newest_version(warehouse):
    with warehouse.open() as connection:
        land_records(connection, landing(order(updated=1, state="Confirmed"), order(updated=3, state="Started")))
        assert states(connection) == [("o1", "Started")]
        assert [state for *_, state in versions(connection)] == ["Confirmed", "Started"]


def test_an_order_that_had_been_missing_is_present_again_when_it_is_read(warehouse):
    with warehouse.open() as connection:
        land_records(connection, landing(order()))
        connection.execute("UPDATE mews.product_service_orders SET is_missing_from_source = true")
        landed = land_records(connection, landing(order(fetched=9)))
        row = connection.execute("SELECT is_missing_from_source FROM mews.product_service_orders").fetchall()
    assert row == [(False,)]
    assert landed.scopes[0].changed == 1


def test_a_rejected_record_is_kept_once_for_each_reason(warehouse):
    reject = {
        "operation": "productServiceOrders/getAll",
        "enterprise_id": None,
        "reason": "no Id",
        "record": "{}",
        "observed_utc": START.replace(tzinfo=None),
    }
    with warehouse.open() as connection:
        first = land_records(connection, landing(rejects=[reject, reject]))
        second = land_records(connection, landing(rejects=[reject, {**reject, "reason": "no State"}]))
        kept = connection.execute("SELECT reason FROM mews.rejected_records ORDER BY ALL").fetchall()
    assert (first.rejected, second.rejected) == (1, 1)
    assert kept == [("no Id",), ("no State",)]


def test_progress_and_rows_are_one_transaction(warehouse):
    no_time: Any = "no time"
    unwritable = Completed("s1", "e1", no_time, START, is_full=False)
    with pytest.raises(pa.ArrowTypeError), warehouse.open() as connection:
        land_records(connection, landing(order(), progress=[unwritable]))
    with warehouse.open() as connection:
        assert states(connection) == []


identifiers = st.sampled_from(["o1", "o2", "o3"])
seconds = st.integers(0, 4)
an_order_state = st.sampled_from(["Confirmed", "Started", "Canceled"])


@settings(max_examples=50, deadline=None)
@given(
    pages=st.lists(st.lists(st.tuples(identifiers, seconds), max_size=4), min_size=1, max_size=5),
    states=st.dictionaries(st.tuples(identifiers, seconds), an_order_state),
    data=st.data(),
)
def test_any_order_and_repetition_of_pages_gives_the_same_table(pages, states, data):
    """The API has one content for each order and `UpdatedUtc`, save for edits within one second, tested above."""
    numbered = [
        [order(name, updated=at, state=states.get((name, at), "Confirmed"), fetched=100 + number) for name, at in page]
        for number, page in enumerate(pages)
    ]
    repeated = numbered + data.draw(st.lists(st.sampled_from(numbered), max_size=3))
    shuffled = data.draw(st.permutations(repeated))
    with in_memory_warehouse() as connection:
        assert _land_all(connection, numbered) == _land_all(connection, shuffled)


@settings(max_examples=50, deadline=None)
@given(edits=st.lists(st.tuples(identifiers, an_order_state), min_size=1, max_size=6), again=st.integers(1, 3))
def test_edits_within_one_second_end_with_the_one_read_last_however_often_each_is_read(edits, again):
    once = [[order(name, state=state, fetched=number)] for number, (name, state) in enumerate(edits)]
    with in_memory_warehouse() as connection:
        expected = _land_all(connection, once)
        assert _land_all(connection, [page for page in once for _ in range(again)]) == expected
        assert states(connection) == sorted(dict(edits).items())


@contextlib.contextmanager
def in_memory_warehouse():
    """The tables in a database without a file: hundreds of examples commit thousands of times."""
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS warehouse; CREATE SCHEMA warehouse.mews; USE warehouse")
        create_tables(connection)
        yield connection


def _land_all(connection, pages):
    connection.execute("DELETE FROM mews.product_service_orders; DELETE FROM mews.superseded_product_service_orders")
    for page in pages:
        land_records(connection, landing(*page))
    return current(connection), versions(connection)
