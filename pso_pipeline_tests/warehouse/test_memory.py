"""What happens where DuckDB may hold too little: the work is done over with more, and nothing else changes."""

import contextlib
import logging

import duckdb
import pytest

from pso_pipeline.warehouse import memory
from pso_pipeline.warehouse.connection import Warehouse
from pso_pipeline.warehouse.landing.orders import land_orders
from pso_pipeline.warehouse.marts import derive as derive_module
from pso_pipeline.warehouse.marts.derive import BATCHES_PER_OPENING, WRITTEN, create_marts, derive
from pso_pipeline.warehouse.memory import (
    ATTEMPTS,
    THREADS,
    give_back_freed,
    limit_memory,
    lower_limit,
    one_thread,
    with_enough_memory,
)
from pso_pipeline.warehouse.sql import statement
from pso_pipeline_tests.warehouse.test_landing import landing, order

A_LIST_OF_40_MB = "SELECT len(list(number)) FROM range(5_000_000) AS numbers(number)"

MANY_ORDERS = """
    INSERT INTO mews.enterprises BY NAME SELECT 'hotel' AS id, 'Hotel' AS name, 'UTC' AS time_zone_identifier;
    INSERT INTO mews.services BY NAME SELECT 'spa' AS id, 'hotel' AS enterprise_id, 'Spa' AS name;
    INSERT INTO mews.sync_state BY NAME
    SELECT 'spa' AS service_id, 'hotel' AS enterprise_id, TIMESTAMP '2026-11-01' AS watermark_utc, 1 AS revision;
    INSERT INTO mews.product_service_orders BY NAME
    SELECT
        uuid() AS id, 'hotel' AS enterprise_id, 'spa' AS service_id, 'Confirmed' AS state, uuid() AS account_id,
        false AS is_missing_from_source, TIMESTAMP '2026-11-01' AS fetched_utc, created_utc, created_utc AS updated_utc
    FROM (SELECT TIMESTAMP '2026-10-31' - to_minutes(number) AS created_utc FROM range(30_000) AS numbers(number));
"""

AN_ORDER_OF_EACH_HOTEL = """
    CREATE TEMP TABLE hotels AS SELECT 'hotel ' || number AS id FROM range($hotels) AS numbers(number);
    INSERT INTO mews.enterprises BY NAME SELECT id, id AS name, 'UTC' AS time_zone_identifier FROM hotels;
    INSERT INTO mews.services BY NAME SELECT 'spa of ' || id AS id, id AS enterprise_id, 'Spa' AS name FROM hotels;
    INSERT INTO mews.sync_state BY NAME
    SELECT 'spa of ' || id AS service_id, id AS enterprise_id, TIMESTAMP '2026-11-01' AS watermark_utc, 1 AS revision
    FROM hotels;
    INSERT INTO mews.product_service_orders BY NAME
    SELECT
        'order of ' || id AS id, id AS enterprise_id, 'spa of ' || id AS service_id, 'Confirmed' AS state,
        TIMESTAMP '2026-10-01' AS created_utc, created_utc AS updated_utc, TIMESTAMP '2026-11-01' AS fetched_utc
    FROM hotels;
"""
EACH_ORDER_CHANGES = """
    UPDATE mews.product_service_orders SET state = 'Started';
    UPDATE mews.sync_state SET revision = 2;
    INSERT INTO mews.revised_orders SELECT service_id, id, 2 AS revision FROM mews.product_service_orders;
"""


def test_work_that_needs_more_memory_is_done_over_with_half_as_much_more(caplog):
    with duckdb.connect() as connection:
        limit_memory(connection, 80)
        tries = []

        def work():
            tries.append(1)
            return connection.execute(A_LIST_OF_40_MB).fetchone()

        assert with_enough_memory(connection, work) == (5_000_000,)
        assert len(tries) == 2
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "trying again with 120 MB" in caplog.text


def test_one_thread_works_for_the_length_of_a_block_however_that_ends():
    with duckdb.connect(config={"threads": THREADS}) as connection:
        with one_thread(connection):
            assert threads(connection) == 1
        assert threads(connection) == THREADS
        with pytest.raises(duckdb.ParserException), one_thread(connection):
            connection.execute("no statement")
        assert threads(connection) == THREADS


@pytest.fixture
def every_file_is_large(monkeypatch):
    monkeypatch.setattr(memory, "MANY_BYTES", 0)


@pytest.mark.usefixtures("every_file_is_large")
def test_days_are_counted_by_one_thread_and_facts_by_all(tmp_path, monkeypatch):
    def noting_threads(path):
        name = path.removeprefix("marts/").removesuffix(".sql")
        noting = f"; CREATE TEMP TABLE threads_of_{name} AS SELECT current_setting('threads') AS threads"
        return statement(path) + (noting if name in WRITTEN else "")

    monkeypatch.setattr(derive_module, "statement", noting_threads)
    with Warehouse(str(tmp_path / "warehouse.duckdb")).open() as connection:
        connection.execute(MANY_ORDERS)
        create_marts(connection)
        derive(connection)
        counted, facts = (
            connection.execute(f"SELECT threads FROM threads_of_{name}").fetchone()
            for name in ("agg_orders_daily", "fct_product_service_orders")
        )
    assert (counted, facts) == ((1,), (THREADS,))


def test_a_limit_is_lowered_and_never_raised_nor_set_where_there_is_none():
    with duckdb.connect() as connection:
        unlimited = connection.execute("SELECT current_setting('memory_limit')").fetchone()
        lower_limit(connection, 100)
        assert connection.execute("SELECT current_setting('memory_limit')").fetchone() == unlimited
        limit_memory(connection, 140)
        for wanted, expected in ((100, "95.3 MiB"), (120, "95.3 MiB"), (20, "19.0 MiB")):
            lower_limit(connection, wanted)
            assert connection.execute("SELECT current_setting('memory_limit')").fetchone() == (expected,)


def test_other_failures_are_not_tried_again_and_memory_that_never_suffices_is_told():
    with duckdb.connect() as connection:
        tries = []

        def fails_with(error):
            tries.append(error)
            raise error("no")

        with pytest.raises(duckdb.ConversionException):
            with_enough_memory(connection, lambda: fails_with(duckdb.ConversionException))
        with pytest.raises(duckdb.OutOfMemoryException):
            with_enough_memory(connection, lambda: fails_with(duckdb.OutOfMemoryException))
        assert tries == [duckdb.ConversionException, *[duckdb.OutOfMemoryException] * ATTEMPTS]


@pytest.mark.parametrize(
    ("said", "tries"),
    [("Failed to commit: failed to pin block of size 256.0 KiB (2.8 MiB/2.8 MiB used)", 2), ("Conflict on update!", 1)],
)
def test_a_commit_that_ran_out_of_memory_is_tried_again_and_another_is_not(said, tries):
    with duckdb.connect() as connection:
        limit_memory(connection, 100)
        errors = [duckdb.TransactionException(said)]
        tried = []

        def work():
            tried.append(1)
            if errors:
                raise errors.pop()

        with contextlib.suppress(duckdb.TransactionException):
            with_enough_memory(connection, work)
        assert len(tried) == tries


def test_a_hotel_too_large_for_the_memory_is_derived_all_the_same(tmp_path, caplog):
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    with warehouse.open() as connection:
        connection.execute(MANY_ORDERS)
    with warehouse.open(memory_mb=20) as connection:
        create_marts(connection)
        derived = derive(connection)
        counted = connection.execute("SELECT sum(orders_created)::BIGINT FROM mart.agg_orders_daily").fetchone()
    assert derived.rows["fct_product_service_orders"] == 30_000
    assert counted == (30_000,)
    assert "ran out of the memory" in caplog.text, "the test needs more orders, or less memory"


def test_a_landing_too_large_for_the_memory_lands_once(tmp_path, caplog):
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    first = landing(*(order(f"order {number:036}", updated=0, account_id=f"{number:036}") for number in range(20_000)))
    again = landing(*(order(f"order {number:036}", updated=9, account_id=f"{number:036}") for number in range(20_000)))
    with warehouse.open() as connection:
        land_orders(connection, first)
    with warehouse.open(memory_mb=8) as connection:
        landed = land_orders(connection, again)
        found = connection.execute("SELECT count(*), count(DISTINCT id) FROM mews.product_service_orders").fetchone()
        kept = connection.execute("SELECT count(*) FROM mews.product_service_order_versions").fetchone()
    assert [(each.created, each.changed) for each in landed.services] == [(0, 20_000)]
    assert (found, kept) == ((20_000, 20_000), (40_000,))
    assert "ran out of the memory" in caplog.text, "the test needs more orders, or less memory"


def test_between_batches_of_changes_the_marts_are_closed_and_opened_again(tmp_path):
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    hotels = 2 * BATCHES_PER_OPENING + 1
    states_when_reopened = []

    def reopen(connection):
        states_when_reopened.append(states(connection))
        warehouse.reopen_marts(connection)
        assert states(connection) == states_when_reopened[-1]

    with warehouse.open() as connection:
        create_marts(connection)
        connection.execute(AN_ORDER_OF_EACH_HOTEL.replace("$hotels", str(hotels)))
        derive(connection, orders_per_batch=1, reopen_marts=reopen)
        assert states_when_reopened == [], "whole hotels leave nothing behind"
        connection.execute(EACH_ORDER_CHANGES)
        derived = derive(connection, orders_per_batch=1, reopen_marts=reopen)
        assert len(derived.enterprises_recomputed) == hotels
        assert states(connection) == {"Started": hotels}
    assert states_when_reopened == [
        {"Started": BATCHES_PER_OPENING, "Confirmed": BATCHES_PER_OPENING + 1},
        {"Started": 2 * BATCHES_PER_OPENING, "Confirmed": 1},
    ]


@pytest.mark.usefixtures("every_file_is_large")
def test_the_marts_are_opened_again_between_changes_and_whole_hotels(tmp_path):
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    states_when_reopened = []

    def reopen(connection):
        assert threads(connection) == 1
        states_when_reopened.append(states(connection))
        warehouse.reopen_marts(connection)

    with warehouse.open() as connection:
        create_marts(connection)
        connection.execute(AN_ORDER_OF_EACH_HOTEL.replace("$hotels", "3"))
        derive(connection)
        connection.execute(EACH_ORDER_CHANGES)
        connection.execute("UPDATE mews.enterprises SET time_zone_identifier = 'Europe/Prague' WHERE id > 'hotel 0'")
        derive(connection, orders_per_batch=1, reopen_marts=reopen)
        assert threads(connection) == THREADS
        assert states(connection) == {"Started": 3}
    assert states_when_reopened == [{"Started": 1, "Confirmed": 2}]


def states(connection):
    return dict(
        connection.execute("SELECT state, count(*) FROM mart.fct_product_service_orders GROUP BY state").fetchall()
    )


def threads(connection):
    return connection.execute("SELECT current_setting('threads')").fetchone()[0]


@pytest.mark.usefixtures("every_file_is_large")
def test_threads_that_gave_their_memory_back_are_as_many_as_before(tmp_path):
    with Warehouse(str(tmp_path / "warehouse.duckdb")).open() as connection:
        give_back_freed(connection)
        assert threads(connection) == THREADS


def test_the_number_of_threads_follows_the_files_and_not_the_machine(tmp_path, monkeypatch):
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    with warehouse.open() as connection:
        assert threads(connection) == 1
    size = sum(path.stat().st_size for path in (tmp_path / "warehouse.duckdb", warehouse.marts_path))
    for many, expected in ((size, THREADS), (size + 1, 1)):
        monkeypatch.setattr(memory, "MANY_BYTES", many)
        with warehouse.open() as connection:
            assert threads(connection) == expected
