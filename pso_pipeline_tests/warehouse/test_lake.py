"""A lake that several processes write: locks, conflicts, who makes its tables, what errors say."""

import contextlib
import threading
from dataclasses import replace

import duckdb
import pytest

from pso_pipeline.warehouse.errors import (
    WarehouseBusy,
    WarehouseError,
    WarehouseNotMigrated,
    WarehouseTooNew,
    WarehouseUnusable,
)
from pso_pipeline.warehouse.lake import with_keepalives
from pso_pipeline.warehouse.landing.records import land_records
from pso_pipeline.warehouse.marts.derive import create_marts, derive
from pso_pipeline.warehouse.session import KeptLake, Warehouse
from pso_pipeline.warehouse.writing import ATTEMPTS, Part, write
from pso_pipeline_tests.warehouse.files import needs_ducklake
from pso_pipeline_tests.warehouse.test_landing import landing, order

pytestmark = [needs_ducklake, pytest.mark.stores("lake")]

A_NEWEST = "SELECT max(id) FROM mews.product_service_orders"
COUNT = "SELECT count(*) FROM mews.product_service_orders"


@pytest.fixture
def no_lake(postgres, tmp_path):
    """A database in which no lake has been made."""
    return Warehouse(
        f"ducklake:postgres:{postgres.keywords(postgres.new_database())}", data_path=str(tmp_path / "data")
    )


def said_by(warehouse, error):
    """Open the warehouse, which fails, and return the one line that says why."""
    with pytest.raises(error) as caught, warehouse.open() as connection:
        create_marts(connection)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("options", ["", " options='-c search_path=another'"], ids=["plain", "another search path"])
def test_a_database_holds_one_lake(warehouse, tmp_path, postgres, options):
    """A second lake in the same database, also in another schema, is refused at once, and the first one is unhurt."""
    with warehouse.open() as connection:
        land_records(connection, landing(order("o1")))
    postgres.sql(warehouse.location.split("dbname=")[1].split()[0], "CREATE SCHEMA another")
    second = replace(
        warehouse, location=warehouse.location + options, data_path=str(tmp_path / "another"), wait_seconds=5
    )
    with pytest.raises(WarehouseUnusable, match="give another one a database of its own") as caught:
        second.make()
    assert "\n" not in str(caught.value)
    with warehouse.open() as connection:
        assert connection.execute(COUNT).fetchall() == [(1,)]
        land_records(connection, landing(order("o2")))
    same = replace(warehouse, location=warehouse.location + options, wait_seconds=5)
    same.make()
    with same.open() as connection:
        assert connection.execute(COUNT).fetchall() == [(2,)]


def test_only_migrating_makes_a_lake(no_lake):
    assert "run `pso migrate`" in said_by(no_lake, WarehouseNotMigrated)
    no_lake.make()
    no_lake.make()
    with no_lake.open() as connection:
        create_marts(connection)
        assert connection.execute("SELECT count(*) FROM mews.warehouse_info").fetchall() == [(1,)]


def test_a_lake_without_a_place_for_its_files_is_not_made(no_lake):
    with pytest.raises(WarehouseUnusable, match="DATA_PATH"):
        replace(no_lake, data_path=None).make()


def test_files_are_not_put_into_another_place_than_the_others(warehouse):
    said = said_by(replace(warehouse, data_path="/elsewhere"), WarehouseUnusable)
    assert said.startswith("PSO_WAREHOUSE_DATA is another place than that of the lake's files")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("ALTER TABLE mews.services DROP COLUMN kind", "lacks columns of services"),
        ("UPDATE internal.marts_definition SET definition_digest = 'another'", "the marts"),
        ("DROP TABLE mart.dim_dates; DROP TABLE internal.marts_definition", "the marts"),
    ],
)
def test_tables_that_lack_something_are_left_to_migrating(warehouse, change, line):
    with warehouse.open() as connection:
        land_records(connection, landing(order("o1")))
        connection.execute(change)
    assert line in said_by(warehouse, WarehouseNotMigrated)
    warehouse.make()
    with warehouse.open() as connection:
        create_marts(connection)
        assert connection.execute(COUNT).fetchall() == [(1,)]


@pytest.mark.parametrize(("version", "error"), [(4, WarehouseNotMigrated), (99, WarehouseTooNew)])
def test_tables_of_another_version_are_left_alone(warehouse, version, error):
    with warehouse.open() as connection:
        land_records(connection, landing(order("o1")))
        connection.execute("UPDATE mews.warehouse_info SET schema_version = ?", [version])
    assert f"table version {version}" in said_by(warehouse, error)
    if error is WarehouseTooNew:
        with pytest.raises(WarehouseTooNew):
            warehouse.make()
    with contextlib.closing(duckdb.connect()) as connection:
        warehouse.lake.attach(connection, is_made=False)
        assert connection.execute(f"USE warehouse.mews; {COUNT}").fetchall() == [(1,)]


def test_a_transaction_sees_all_that_was_committed_before_it_had_the_lock(warehouse, postgres):
    """Its snapshot is opened after the lock is there, and the lock is given up after the commit."""
    for number in range(20):
        assert count_behind_another(warehouse, postgres, order(f"o{number}")) == number + 1


def count_behind_another(warehouse, postgres, landed):
    """Count the orders in a transaction that has to wait for another one, which lands one more meanwhile."""
    counts = []

    def count():
        with warehouse.open() as other:
            write(other, lambda: counts.append(other.execute(COUNT).fetchall()), Part.LANDED)

    def land():
        waiting.start()
        wait_until_one_waits(postgres)
        connection.execute("INSERT INTO mews.product_service_orders (id) VALUES (?)", [landed["id"]])

    waiting = threading.Thread(target=count)
    with warehouse.open() as connection:
        write(connection, land, Part.LANDED)
    waiting.join(60)
    ((only,),) = counts[0]
    return only


def wait_until_one_waits(postgres):
    """Return as soon as somebody waits for a lock; each look is a connection of its own, so this needs no pause."""
    for _ in range(10_000):
        if postgres.sql("postgres", "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            return
    raise AssertionError("nobody waits for the lock")


def test_landing_and_marts_have_locks_of_their_own_and_two_lakes_too(warehouse, store, tmp_path):
    impatient = replace(warehouse, wait_seconds=0.2)
    with warehouse.hold(Part.MARTS), impatient.open() as connection:
        land_records(connection, landing(order("o1")))
        with pytest.raises(WarehouseBusy, match=r"writing to the lake for more than 0\.2 s"):
            derive(connection, all_companions_environments=["NEW"])
        assert connection.execute(COUNT).fetchall() == [(1,)], "who reads does not wait"
    with warehouse.hold():
        with pytest.raises(WarehouseBusy), impatient.open() as connection:
            land_records(connection, landing(order("o2")))
        with warehouse.open_held() as connection:
            land_records(connection, landing(order("o2")))
        with store.new(tmp_path, wait_seconds=0.2).open() as connection:
            land_records(connection, landing(order("o1")))
    with warehouse.resyncing(), pytest.raises(WarehouseBusy), impatient.resyncing():
        pass


def test_a_transaction_that_somebody_without_the_lock_got_in_the_way_of_is_done_again(warehouse):
    with warehouse.open() as connection, warehouse.open() as other:
        land_records(connection, landing(*(order(f"o{number}") for number in range(20))))
        tried = []

        def change(conflicts):
            tried.append(connection.execute(COUNT).fetchall()[0][0])
            if len(tried) <= conflicts:
                other.execute(f"DELETE FROM mews.product_service_orders WHERE id = ({A_NEWEST})")
            connection.execute("UPDATE mews.product_service_orders SET state = 'Started'")

        write(connection, lambda: change(2), Part.LANDED)
        assert tried == [20, 19, 18]
        states = "SELECT DISTINCT state FROM mews.product_service_orders"
        assert connection.execute(states).fetchall() == [("Started",)]
        tried.clear()
        with pytest.raises(WarehouseBusy, match=f"at each of {ATTEMPTS} attempts") as caught:
            write(connection, lambda: change(ATTEMPTS), Part.LANDED)
        assert "\n" not in str(caught.value)


def test_a_run_attaches_the_lake_once_and_again_after_the_connection_broke(warehouse, monkeypatch):
    attached, attach = [], type(warehouse.lake).attach

    def count(*args, **options):
        attached.append(1)
        attach(*args, **options)

    monkeypatch.setattr(type(warehouse.lake), "attach", count)
    with KeptLake() as kept:
        run = replace(warehouse, kept=kept)
        for number in range(3):
            with run.open() as connection:
                land_records(connection, landing(order(f"o{number}")))
        assert attached == [1]
        with pytest.raises(duckdb.CatalogException), run.open() as connection:
            connection.execute("FROM mews.nothing")
        with run.open() as connection:
            assert connection.execute(COUNT).fetchall() == [(3,)]
        assert attached == [1, 1]


def test_a_server_that_is_gone_is_one_line_and_the_next_use_goes_on(warehouse, postgres):
    with KeptLake() as kept:
        run = replace(warehouse, kept=kept)
        with run.open() as connection:
            land_records(connection, landing(order("o1")))
        postgres.control("stop", "-m", "immediate")
        try:
            with pytest.raises(WarehouseError, match="cannot be read or written") as caught, run.open() as connection:
                connection.execute(COUNT)
            assert "\n" not in str(caught.value)
        finally:
            postgres.start()
        with run.open() as connection:
            assert connection.execute(COUNT).fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("dbname=x", "dbname=x keepalives_idle=30 keepalives_interval=10 keepalives_count=3"),
        ("dbname=x keepalives_idle=5", "dbname=x keepalives_idle=5 keepalives_interval=10 keepalives_count=3"),
        ("postgresql://u@h/x", "postgresql://u@h/x?keepalives_idle=30&keepalives_interval=10&keepalives_count=3"),
        (
            "postgresql://u@h/x?sslmode=require",
            "postgresql://u@h/x?sslmode=require&keepalives_idle=30&keepalives_interval=10&keepalives_count=3",
        ),
    ],
)
def test_a_connection_notices_that_the_other_machine_is_gone(store, given, expected):
    assert with_keepalives(given) == expected
    assert with_keepalives(expected).split("?")[0] == expected.split("?")[0]
