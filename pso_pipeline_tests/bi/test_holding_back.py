"""A hotel that a check holds back: its last published figures stay, marked; those of all others are the newest."""

import duckdb
import pytest

from pso_pipeline.bi.folder import current_snapshot, read_manifest
from pso_pipeline.bi.holding_back import BY_HOTEL
from pso_pipeline.bi.snapshot import publish
from pso_pipeline_tests.bi.generations import (
    ORDERS,
    as_of,
    change,
    check_whole,
    open_marts,
    read_parquet,
    write_generation,
)

HELD = {"hotel-0": "ids_are_unique: 2 of 4 orders"}
TABLES = (*(table.name for table in BY_HOTEL[:3]), "rpt_orders", "agg_cancellation_curve")


@pytest.fixture
def published(marts, bi_dir):
    """The folder with generation 1 published and generation 2 ready."""
    publish(marts, bi_dir)
    write_generation(marts, 2)
    return bi_dir


def read(bi_dir, query):
    with duckdb.connect(str(bi_dir / "pso_bi.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def rows(bi_dir, table, hotel):
    return read(bi_dir, f"FROM mart.{table} WHERE enterprise_id = '{hotel}' ORDER BY ALL")


def rows_of_file(bi_dir, table, hotel):
    return duckdb.execute(
        f"{read_parquet(bi_dir, table)} WHERE enterprise_id = $hotel ORDER BY ALL", {"hotel": hotel}
    ).fetchall()


def published_of(bi_dir, hotel):
    return {table: rows(bi_dir, table, hotel) for table in TABLES}


def marks(bi_dir):
    columns = "enterprise_id, as_of_utc, is_held_back, held_back_reason"
    return {hotel: marks for hotel, *marks in read(bi_dir, f"SELECT {columns} FROM mart.dim_enterprises")}


def naive(generation):
    return as_of(generation).replace(tzinfo=None)


def test_its_last_published_figures_stay_and_those_of_the_others_are_the_newest(marts, published, tmp_path):
    before = published_of(published, "hotel-0")
    publish(marts, tmp_path / "all")

    held = publish(marts, published, find_held_back=lambda: HELD)

    assert held.held_back == (
        "hotel-0 is not published, its figures as of 2026-11-23 10:00:01 UTC stay: ids_are_unique: 2 of 4 orders",
    )
    assert published_of(published, "hotel-0") == before
    assert all(before.values())
    for hotel in ("hotel-1", "hotel-2"):
        assert published_of(published, hotel) == published_of(tmp_path / "all", hotel)
    for table in TABLES:
        for hotel in ("hotel-0", "hotel-1"):
            assert rows_of_file(published, table, hotel) == rows(published, table, hotel)
    found = marks(published)
    assert found["hotel-0"] == [naive(1), True, HELD["hotel-0"]]
    assert found["hotel-1"][1:] == [False, None] or found["hotel-1"][1:] == [None, None]
    manifest = read_manifest(published)
    assert (manifest.as_of_utc, manifest.held_back) == (as_of(1), {"hotel-0": HELD["hotel-0"]})
    assert manifest.tables["fct_product_service_orders"].rows == ORDERS + 2


def test_it_stays_as_long_as_it_is_held_back_and_is_published_again_by_itself(marts, published):
    before = published_of(published, "hotel-0")
    publish(marts, published, find_held_back=lambda: HELD)
    write_generation(marts, 3)
    publish(marts, published, find_held_back=lambda: HELD)
    assert published_of(published, "hotel-0") == before
    assert marks(published)["hotel-0"][0] == naive(1)

    assert not publish(marts, published, find_held_back=lambda: HELD).is_new
    assert publish(marts, published).held_back == ()
    assert check_whole(current_snapshot(published)) == 3
    assert read_manifest(published).held_back == {}


def check_files(bi_dir):
    """Compare every row of every table in Parquet with the database beside it."""
    for table in TABLES:
        expected = read(bi_dir, f"FROM mart.{table} ORDER BY ALL")
        assert duckdb.sql(f"{read_parquet(bi_dir, table)} ORDER BY ALL").fetchall() == expected


def test_no_month_with_figures_of_another_time_is_taken_for_unchanged(marts, bi_dir):
    """Hotels are held back and released while the marts have the same versions, and while other months change."""
    publish(marts, bi_dir)
    change(
        marts,
        "UPDATE mart.fct_product_service_orders SET order_number = '2' WHERE created_date < '2026-03-01'",
        ["fct_product_service_orders", "rpt_orders"],
        ["2026-01-01", "2026-02-01"],
    )
    for held_back in (HELD, HELD | {"hotel-1": "of another check"}, {"hotel-1": "of another check"}, {}, HELD, {}):
        assert publish(marts, bi_dir, find_held_back=held_back.copy).is_new
        check_files(bi_dir)
        numbers = "SELECT DISTINCT order_number FROM mart.fct_product_service_orders WHERE created_date < '2026-03-01'"
        assert set(read(bi_dir, f"{numbers} AND enterprise_id = 'hotel-2'")) == {("2",)}
    assert len(read(bi_dir, numbers)) == 1


def test_months_are_linked_while_the_same_hotels_are_held_back(marts, published):
    publish(marts, published, find_held_back=lambda: HELD)
    change(
        marts,
        "UPDATE mart.fct_product_service_orders SET order_number = '3' WHERE month(created_date) = 2",
        ["fct_product_service_orders", "rpt_orders"],
        ["2026-02-01"],
    )
    first = current_snapshot(published)
    second = publish(marts, published, find_held_back=lambda: HELD)

    assert second.rewritten == ("fct_product_service_orders", "rpt_orders")
    check_files(published)
    assert [
        file.file
        for file in second.snapshot.manifest.tables["rpt_orders"].files
        if not (second.snapshot.directory / file.file).samefile(first.directory / file.file)
    ] == ["parquet/rpt_orders/created_month=2026-02/data_0.parquet"]


def test_another_reason_alone_is_published(marts, published):
    publish(marts, published, find_held_back=lambda: HELD)
    second = publish(marts, published, find_held_back=lambda: {"hotel-0": "of another check"})

    assert second.rewritten == ("dim_enterprises",)
    assert marks(published)["hotel-0"] == [naive(1), True, "of another check"]
    check_files(published)


def test_a_hotel_that_was_never_published_is_visible_and_has_no_figures(marts, bi_dir):
    held = publish(marts, bi_dir, find_held_back=lambda: HELD)

    assert held.held_back == ("hotel-0 is not published, it has no earlier figures: ids_are_unique: 2 of 4 orders",)
    assert marks(bi_dir)["hotel-0"] == [None, True, HELD["hotel-0"]]
    assert not any(published_of(bi_dir, "hotel-0").values())
    assert all(published_of(bi_dir, "hotel-1").values())
    manifest = read_manifest(bi_dir)
    assert (manifest.as_of_utc, manifest.hotels_never_read) == (as_of(2), 0)


@pytest.mark.parametrize("damage", ["gone", "truncated", "no database"])
def test_a_snapshot_before_that_cannot_be_read_is_named(marts, published, damage):
    database = current_snapshot(published).database
    database.chmod(0o600)
    match damage:
        case "gone":
            database.unlink()
        case "truncated":
            with database.open("rb+") as file:
                file.truncate(database.stat().st_size // 2)
        case _:
            database.write_bytes(b"no database" * 1000)

    held = publish(marts, published, find_held_back=lambda: HELD)

    (line,) = held.held_back
    assert line.startswith("hotel-0 is not published, it has no earlier figures: ids_are_unique: 2 of 4 orders; none ")
    assert line.endswith("; none of its earlier figures can be read")
    assert not any(published_of(published, "hotel-0").values())
    assert len(rows(published, "fct_product_service_orders", "hotel-1")) == (ORDERS + 3) // 3


def test_a_snapshot_before_with_other_columns_and_tables_gives_what_it_has(marts, published):
    before = rows(published, "fct_order_state_changes", "hotel-0")
    database = current_snapshot(published).database
    database.chmod(0o600)
    with duckdb.connect(str(database)) as connection:
        connection.execute("DROP VIEW mart.rpt_orders")
        for change in (
            "fct_product_service_orders DROP is_linked",
            "fct_product_service_orders ADD COLUMN gone_since INTEGER",
            "dim_enterprises DROP is_held_back",
            "dim_enterprises DROP held_back_reason",
        ):
            connection.execute(f"ALTER TABLE mart.{change}")
        connection.execute("DROP TABLE mart.dim_dates; DROP TABLE mart.agg_orders_daily")

    publish(marts, published, find_held_back=lambda: HELD)

    assert marks(published)["hotel-0"] == [naive(1), True, HELD["hotel-0"]]
    assert len(rows(published, "rpt_orders", "hotel-0")) == (ORDERS + 3) // 3
    assert rows(published, "fct_order_state_changes", "hotel-0") == before
    assert rows(published, "agg_orders_daily", "hotel-0") == []
    assert rows(published, "agg_orders_daily", "hotel-1")


def test_a_service_that_another_hotel_sells_now_is_there_once(marts, published):
    with open_marts(marts) as connection:
        connection.execute("UPDATE mart.dim_services SET enterprise_id = 'hotel-1' WHERE service_id = 'service-0'")
        connection.execute(
            "UPDATE mart.fct_product_service_orders SET enterprise_id = 'hotel-1' WHERE service_id = 'service-0'"
        )
    publish(marts, published, find_held_back=lambda: HELD)
    assert read(published, "SELECT count(*) FROM mart.dim_services WHERE service_id = 'service-0'") == [(1,)]
    assert len(rows(published, "rpt_orders", "hotel-0")) == len(
        rows(published, "fct_product_service_orders", "hotel-0")
    )


def test_a_hotel_that_is_listed_twice_has_one_row(marts, published):
    with open_marts(marts) as connection:
        connection.execute("INSERT INTO mart.dim_enterprises FROM mart.dim_enterprises WHERE enterprise_id = 'hotel-0'")
    publish(marts, published, find_held_back=lambda: HELD)
    assert read(published, "SELECT count(*) FROM mart.dim_enterprises") == [(3,)]


def test_a_hotel_that_went_out_of_scope_is_shown_so(marts, published):
    with open_marts(marts) as connection:
        connection.execute("UPDATE mart.dim_enterprises SET is_in_scope = FALSE WHERE enterprise_id = 'hotel-0'")
    publish(marts, published, find_held_back=lambda: HELD)
    assert read(published, "SELECT is_in_scope FROM mart.dim_enterprises WHERE is_held_back") == [(False,)]
    assert read_manifest(published).as_of_utc == as_of(3)


def test_hotels_that_were_never_read_are_counted(marts, bi_dir):
    with open_marts(marts) as connection:
        connection.execute("UPDATE mart.dim_enterprises SET as_of_utc = NULL WHERE enterprise_id = 'hotel-0'")
    publish(marts, bi_dir)
    assert (read_manifest(bi_dir).hotels_never_read, read_manifest(bi_dir).as_of_utc) == (1, as_of(2))
