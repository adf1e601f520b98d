"""Maintenance of a lake: fewer files, the same rows, beside writers and readers."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from pso_pipeline.warehouse.lake import load_extensions
from pso_pipeline.warehouse.landing.records import land_records
from pso_pipeline.warehouse.maintaining import maintain, read_lake_state
from pso_pipeline_tests.warehouse.files import needs_ducklake
from pso_pipeline_tests.warehouse.test_landing import landing, order

pytestmark = [needs_ducklake, pytest.mark.stores("lake")]

ORDERS = "SELECT count(*), count(DISTINCT id), bit_xor(hash(id, state, updated_utc)) FROM mews.product_service_orders"
LANDINGS = 12
WRITERS = 4


def land(warehouse, writer, numbers):
    for number in numbers:
        with warehouse.open() as connection:
            land_records(connection, landing(*(order(f"{writer}-{number}-{each}") for each in range(30))))


def tomorrow():
    """A time by which every snapshot is older than it is kept."""
    return datetime.now(UTC) + timedelta(days=2)


def test_files_are_joined_and_rows_stay(warehouse):
    land(warehouse, "a", range(LANDINGS))
    with warehouse.open() as connection:
        before, rows = read_lake_state(connection), connection.execute(ORDERS).fetchall()
        maintain(connection, timedelta(days=1), tomorrow())
        after = read_lake_state(connection)
        assert connection.execute(ORDERS).fetchall() == rows == [(LANDINGS * 30, LANDINGS * 30, rows[0][2])]
    assert before.files > LANDINGS > after.files
    assert before.snapshots > LANDINGS
    assert after.snapshots == 1


def test_snapshots_are_kept_as_long_as_they_have_to_be(warehouse):
    land(warehouse, "a", range(3))
    with warehouse.open() as connection:
        before = read_lake_state(connection)
        assert maintain(connection, timedelta(days=1)) == 0
        after = read_lake_state(connection)
    assert after.snapshots >= before.snapshots
    assert after.oldest_snapshot_utc == before.oldest_snapshot_utc


def test_beside_four_writers_and_a_reader_of_an_older_state(warehouse, postgres):
    """Nobody fails, every order is there once, and a reader goes on reading the state that it began with."""
    land(warehouse, "before", range(3))

    def maintain_often():
        for _ in range(4):
            with warehouse.open() as connection:
                maintain(connection, timedelta(days=1))

    with duckdb.connect() as reader:
        load_extensions(reader, ("ducklake", "postgres_scanner"))
        with warehouse.open() as connection:
            (version,) = connection.execute("FROM ducklake_current_snapshot('warehouse')").fetchone()
        reader.execute(f"ATTACH '{warehouse.location}' AS frozen (READ_ONLY, SNAPSHOT_VERSION {version})")
        count = "SELECT count(*) FROM frozen.mews.product_service_orders"
        seen = reader.execute(count).fetchall()
        with ThreadPoolExecutor(WRITERS + 1) as machines:
            works = [machines.submit(land, warehouse, each, range(4)) for each in range(WRITERS)]
            works.append(machines.submit(maintain_often))
            while not all(work.done() for work in works):
                assert reader.execute(count).fetchall() == seen
            for work in works:
                work.result()
    with warehouse.open() as connection:
        assert connection.execute(ORDERS).fetchall()[0][:2] == ((3 + 4 * WRITERS) * 30,) * 2
