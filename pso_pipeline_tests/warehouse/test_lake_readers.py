"""The role that BI reads a lake with: it sees the marts as they are, and can write nothing."""

import contextlib
from pathlib import Path

import duckdb
import psycopg
import pytest

import pso_pipeline
from pso_pipeline.warehouse.lake import load_extensions
from pso_pipeline.warehouse.landing.records import land_records
from pso_pipeline.warehouse.marts.derive import derive
from pso_pipeline_tests.marts.rows import insert
from pso_pipeline_tests.warehouse.files import needs_ducklake
from pso_pipeline_tests.warehouse.test_landing import landing, order

pytestmark = [needs_ducklake, pytest.mark.stores("lake")]

GRANTS = Path(pso_pipeline.__file__).parents[1] / "deploy" / "postgres" / "lake_reader.sql"


@pytest.fixture
def reader(warehouse, postgres):
    """The connection string of the role."""
    database = warehouse.location.split("dbname=")[1].split()[0]
    with psycopg.connect(postgres.url(database), autocommit=True) as connection:
        connection.execute("DROP OWNED BY lake_reader" if role_exists(postgres) else "SELECT 1")
        connection.execute("DROP ROLE IF EXISTS lake_reader")
        connection.execute(GRANTS.read_text(encoding="utf-8"))
    yield postgres.keywords(database).replace("user=pso", "user=lake_reader")
    with psycopg.connect(postgres.url(database), autocommit=True) as connection:
        connection.execute("DROP OWNED BY lake_reader; DROP ROLE lake_reader")


def role_exists(postgres):
    return bool(postgres.sql("postgres", "SELECT 1 FROM pg_roles WHERE rolname = 'lake_reader'"))


@contextlib.contextmanager
def attached(reader, options):
    with duckdb.connect() as connection:
        load_extensions(connection, ("ducklake", "postgres_scanner"))
        connection.execute(f"ATTACH 'ducklake:postgres:{reader}' AS pso {options}")
        yield connection


def fill(warehouse, orders):
    with warehouse.open() as connection:
        insert(connection, "enterprises", [{"id": "e1", "name": "Astoria", "is_in_scope": True}])
        insert(connection, "services", [{"id": "s1", "enterprise_id": "e1", "name": "Spa"}])
        read = {"watermark_utc": "2024-07-01T00:00:00", "revision": 1}
        insert(connection, "sync_state", [{"service_id": "s1", "enterprise_id": "e1", **read}])
        land_records(connection, landing(*(order(f"o{number}") for number in range(orders))))
        derive(connection)


@pytest.mark.parametrize("orders", [3, 300], ids=["rows in the catalog", "rows in files"])
def test_the_role_reads_the_marts_that_are_made_after_it(warehouse, reader, orders):
    fill(warehouse, orders)
    with attached(reader, "(READ_ONLY)") as connection:
        count = "SELECT count(*), count(DISTINCT order_id), any_value(enterprise_name) FROM pso.mart.rpt_orders"
        assert connection.execute(count).fetchall() == [(orders, orders, "Astoria")]
        assert connection.execute("SELECT sum(orders_created) FROM pso.mart.agg_orders_daily").fetchall() == [(orders,)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM pso.mart.dim_services",
        "INSERT INTO pso.mart.dim_services (service_id) VALUES ('another')",
        "CREATE TABLE pso.mart.another (number INTEGER)",
        "DROP TABLE pso.mart.dim_services",
    ],
)
def test_the_role_writes_nothing(warehouse, reader, statement):
    fill(warehouse, 3)
    with attached(reader, "") as connection, pytest.raises(duckdb.Error, match=r"read-only|permission denied"):
        connection.execute(statement)
    with warehouse.open() as connection:
        assert connection.execute("SELECT count(*) FROM mart.dim_services").fetchall() == [(1,)]


@pytest.mark.parametrize("statement", ["DELETE FROM ducklake_snapshot", "CREATE TABLE another (number INTEGER)"])
def test_not_even_where_it_may_write_by_its_settings(reader, statement):
    with (
        psycopg.connect(f"{reader} options='-c default_transaction_read_only=off'", autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)
