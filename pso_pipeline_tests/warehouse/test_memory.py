"""DuckDB stays within `PSO_MEMORY_LIMIT` everywhere: what does not fit is spilled to disk, and nothing else changes."""

import duckdb
import pytest

from pso_pipeline.settings import MemorySettings, Settings, SettingsError
from pso_pipeline.warehouse.errors import WarehouseUnusable
from pso_pipeline.warehouse.landing.records import land_records
from pso_pipeline.warehouse.marts.derive import create_marts, derive
from pso_pipeline.warehouse.session import open_duckdb
from pso_pipeline_tests.warehouse.test_landing import landing, order

SETTINGS = "SELECT current_setting('memory_limit'), current_setting('threads'), current_setting('temp_directory')"
ORDERS = 250_000

MANY_ORDERS = f"""
    INSERT INTO mews.enterprises BY NAME SELECT 'hotel' AS id, 'Hotel' AS name, 'UTC' AS time_zone_identifier;
    INSERT INTO mews.services BY NAME SELECT 'spa' AS id, 'hotel' AS enterprise_id, 'Spa' AS name;
    INSERT INTO mews.sync_state BY NAME
    SELECT
        'product_service_orders' AS endpoint, 'spa' AS scope_id, 'hotel' AS enterprise_id,
        TIMESTAMP '2026-11-01' AS watermark_utc, 1 AS revision;
    INSERT INTO mews.product_service_orders BY NAME
    SELECT
        md5(number::VARCHAR) AS id, 'hotel' AS enterprise_id, 'spa' AS service_id, 'Confirmed' AS state,
        md5('account' || number) AS account_id, false AS is_missing_from_source,
        TIMESTAMP '2026-11-01' AS fetched_utc, TIMESTAMP '2026-10-31' - to_minutes(number) AS created_utc,
        created_utc AS updated_utc
    FROM range({ORDERS}) AS numbers(number);
"""


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setenv("PSO_MEMORY_LIMIT", "200MB")


@pytest.mark.usefixtures("little_memory")
def test_a_hotel_larger_than_the_memory_has_its_metrics_computed(warehouse, tmp_path):
    with warehouse.open() as connection:
        connection.execute(MANY_ORDERS)
    with warehouse.open() as connection:
        create_marts(connection)
        computed = derive(connection)
        counted = connection.execute("SELECT sum(orders_created)::BIGINT FROM mart.agg_orders_daily").fetchall()
    assert computed.rows["fct_product_service_orders"] == ORDERS
    assert counted == [(ORDERS,)]
    assert not list(tmp_path.glob("*.spill/*")), "what was spilled is removed"


@pytest.mark.usefixtures("little_memory")
def test_a_landing_larger_than_the_memory_lands_once(warehouse):
    first = landing(*(order(f"order {number:036}", updated=0, account_id=f"{number:036}") for number in range(20_000)))
    again = landing(*(order(f"order {number:036}", updated=9, account_id=f"{number:036}") for number in range(20_000)))
    with warehouse.open(threads=1) as connection:
        land_records(connection, first)
        landed = land_records(connection, again)
        found = connection.execute("SELECT count(*), count(DISTINCT id) FROM mews.product_service_orders").fetchall()
        kept = connection.execute("SELECT count(*) FROM mews.product_service_order_versions").fetchall()
    assert [(each.created, each.changed) for each in landed.scopes] == [(0, 20_000)]
    assert (found, kept) == ([(20_000, 20_000)], [(40_000,)])


def test_every_database_is_opened_with_the_limit_the_machines_threads_and_a_spill_folder(tmp_path, monkeypatch):
    spill = tmp_path / "spill"
    with duckdb.connect() as connection:
        threads = connection.execute("SELECT current_setting('threads')").fetchall()[0][0]
    with open_duckdb(spill=spill) as connection:
        assert connection.execute(SETTINGS).fetchall() == [("953.6 MiB", threads, str(spill))]
    monkeypatch.setenv("PSO_MEMORY_LIMIT", " 64 MiB ")
    with open_duckdb(tmp_path / "a.duckdb", spill=spill, threads=1) as connection:
        assert connection.execute(SETTINGS).fetchall() == [("64.0 MiB", 1, str(spill))]


def test_work_that_does_not_fit_is_spilled(tmp_path, monkeypatch):
    monkeypatch.setenv("PSO_MEMORY_LIMIT", "40MB")
    with open_duckdb(spill=tmp_path / "spill", threads=1) as connection:
        connection.execute("CREATE TEMP TABLE many AS SELECT md5(number::VARCHAR) FROM range(2_000_000) AS n(number)")
        assert connection.execute("SELECT count(*) > 0 FROM duckdb_temporary_files()").fetchall() == [(True,)]


def test_too_little_memory_for_a_statement_is_one_line_that_names_the_setting(warehouse, monkeypatch):
    monkeypatch.setenv("PSO_MEMORY_LIMIT", "50MB")
    with (
        pytest.raises(WarehouseUnusable, match="set a higher PSO_MEMORY_LIMIT") as caught,
        warehouse.open() as connection,
    ):
        connection.execute("SELECT len(list(number)) FROM range(20_000_000) AS numbers(number)").fetchall()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("limit", ["much", "1", "1XB", "-1GB", "0GB", "80%", "none", "1GB; SELECT 1"])
def test_a_malformed_limit_is_one_line(warehouse, monkeypatch, limit):
    monkeypatch.setenv("PSO_MEMORY_LIMIT", limit)
    said = "^PSO_MEMORY_LIMIT is not valid: it takes a size with its unit, like 400MB or 2GB, .*configuration.md$"
    with pytest.raises(SettingsError, match=said), warehouse.open():
        pass
    with pytest.raises(SettingsError, match="PSO_MEMORY_LIMIT is not valid"):
        Settings.load()


@pytest.mark.parametrize("limit", ["400MB", "1GB", "2.5 gib", "1TB"])
def test_a_size_with_a_unit_is_a_limit(monkeypatch, limit):
    monkeypatch.setenv("PSO_MEMORY_LIMIT", limit)
    assert MemorySettings.load().memory_limit == limit
