"""Tests of `pso forget`: the account is in no file, does not come back, and the figures do not change."""

from pathlib import Path

import duckdb
import pytest

from pso_pipeline.sandbox import times
from pso_pipeline_tests.cli.conftest import pso
from pso_pipeline_tests.fakes.faults import Answer

ACCOUNT = "7f3a9c1e-55d0-4b7e-9f21-0a8de6c41b77"
OTHER = "c0ffee00-1111-4222-8333-444455556666"
ORDERS = "productServiceOrders/getAll"
TOTALS = "SELECT sum(orders_created), sum(firm_orders), sum(canceled_orders) FROM mart.agg_orders_daily"


@pytest.fixture
def guest(world):
    """An order of a guest, booked by another guest, with the guest's id in free texts too."""
    service = world.add_service(world.add_enterprise(Name="Cosmos"))
    return world.add_order(
        service, AccountId=ACCOUNT, BookerId=OTHER, OriginDetails=f"for {ACCOUNT.upper()}", Note={"by": f"x{ACCOUNT}y"}
    )


@pytest.fixture
def second(world, guest):
    """An order of another guest, booked by the first."""
    return world.add_order(guest["ServiceId"], AccountId=OTHER, BookerId=ACCOUNT)


def later(record, seconds=1):
    """Return a time after the record was last updated."""
    return times.text(times.parse(record["UpdatedUtc"]) + seconds * 1_000_000)


def files_containing(text):
    forms = [text.encode(), text.upper().encode()]
    files = [path for path in Path.cwd().rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 20
    return [path for path in files if any(form in path.read_bytes() for form in forms)]


def public_files_containing(text):
    """Return the files that contain a text, except the warehouse itself."""
    own = ("warehouse.duckdb", "warehouse.duckdb.wal")
    return [path for path in files_containing(text) if path.name not in own]


def landed(query):
    with duckdb.connect("data/warehouse.duckdb", read_only=True) as connection:
        return connection.execute(query).fetchall()


def published(query):
    with duckdb.connect("data/bi/pso_bi.duckdb", read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_an_account_is_removed_everywhere_and_does_not_come_back(world, sandbox, guest, second):
    sandbox.faults.add(Answer(400, f'{{"Message": "no account {ACCOUNT}"}}'.encode()), operation=ORDERS)
    world.add_item(guest, Notes=f"for {ACCOUNT}")
    assert pso("refresh").status == 1, "the API names the account in an error, which Dagster stores"
    assert pso("refresh").status == 0
    world.change(guest, State="Started", UpdatedUtc=later(guest))
    assert pso("refresh").status == 0
    versions = landed("SELECT count(*) FROM mews.product_service_order_versions")
    totals = published(TOTALS)
    assert files_containing(ACCOUNT) != []
    assert any("dagster" in str(path) for path in files_containing(ACCOUNT))

    result = pso("forget", ACCOUNT.upper())
    assert (result.status, result.err) == (0, "")
    assert result.out == f"{ACCOUNT}: removed from 2 order(s) and 1 order item(s), and excluded from later reads\n"
    assert files_containing(ACCOUNT) == []
    assert published(TOTALS) == totals
    assert published("SELECT count(*) FROM mart.fct_product_service_orders WHERE account_id IS NULL") == [(1,)]
    assert landed(f"SELECT count(*) FROM mews.product_service_orders WHERE account_id = '{OTHER}'") == [(1,)]
    assert landed("SELECT count(*) FROM mews.product_service_order_versions") == versions
    assert len(list(Path("data/bi/versions").glob("2*"))) == 1

    world.change(guest, State="Processed", UpdatedUtc=later(guest, 2), OriginDetails=ACCOUNT)
    assert pso("refresh").status == 0
    assert pso("refresh", "--full").status == 0
    assert files_containing(ACCOUNT) == []
    ((state, account, booker, details, extra),) = landed(
        "SELECT state, account_id, booker_id, origin_details, extra FROM mews.product_service_orders"
        f" WHERE id = '{guest['Id']}'"
    )
    assert (state, account, booker, details, extra) == ("Processed", None, None, None, None)
    assert landed("SELECT count(*) FROM mews.product_service_order_versions") == [(versions[0][0] + 1,)]


def test_an_account_without_orders_is_excluded_from_later_reads(world, sandbox):
    assert pso("refresh").status == 0
    result = pso("forget", ACCOUNT)
    assert (result.status, result.out) == (0, f"{ACCOUNT}: not found in any order, and excluded from later reads\n")
    service = world.add_service(world.add_enterprise(Name="Late"))
    world.add_order(service, AccountId=ACCOUNT)
    assert pso("refresh").status == 0
    assert files_containing(ACCOUNT) == []


def test_a_word_that_is_not_an_id_is_a_usage_error(sandbox):
    result = pso("forget", "a")
    assert result.status == 2
    assert result.error_line == "pso: not an account id: a; an id has 8 characters or more"


def test_account_ids_leave_the_warehouse_as_a_keyed_hash(world, sandbox, guest, second):
    assert pso("refresh").status == 0
    hashed = dict(published("SELECT order_id, account_id FROM mart.fct_product_service_orders"))
    assert all(len(each) == 32 for each in hashed.values())
    assert public_files_containing(ACCOUNT) == []
    ((key,),) = landed("SELECT key FROM mews.account_key")
    assert public_files_containing(key) == []
    world.change(guest, State="Started", UpdatedUtc=later(guest))
    assert pso("refresh").status == 0
    assert dict(published("SELECT order_id, account_id FROM mart.fct_product_service_orders")) == hashed
    assert pso("refresh", PSO_KEEP_PERSONAL_DATA="plain").status == 0
    plain = dict(published("SELECT order_id, account_id FROM mart.fct_product_service_orders"))
    assert {plain[guest["Id"]], plain[second["Id"]]} == {ACCOUNT, OTHER}
    assert pso("refresh").status == 0
    assert dict(published("SELECT order_id, account_id FROM mart.fct_product_service_orders")) == hashed
    assert ACCOUNT.encode() not in Path("data/warehouse.marts.duckdb").read_bytes()


def test_an_account_is_removed_from_a_ducklake(world, sandbox, guest, second):
    lake = {"PSO_WAREHOUSE": "ducklake:data/lake.ducklake"}
    assert pso("refresh", **lake).status == 0
    world.change(guest, State="Started", UpdatedUtc=later(guest))
    assert pso("refresh", **lake).status == 0
    result = pso("forget", ACCOUNT, **lake)
    assert (result.status, result.err) == (0, "")
    assert pso("refresh", "--full", **lake).status == 0
    assert files_containing(ACCOUNT) == []
    for path in Path("data/lake.ducklake.files").rglob("*.parquet"):
        assert ACCOUNT not in str(duckdb.sql(f"FROM read_parquet('{path}')").fetchall())
