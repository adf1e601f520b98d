"""What is recomputed and what stays; failures change nothing; the marts file needs no other file."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest

from pso_pipeline.contract.marts import DIM_ENTERPRISES, INTERNAL_TABLES, MART_TABLES, OPS_TABLES
from pso_pipeline.warehouse.marts import derive as derive_module
from pso_pipeline.warehouse.marts.derive import (
    Headline,
    HotelRange,
    UnknownEnterprise,
    create_marts,
    derive,
    is_complete,
)
from pso_pipeline.warehouse.schema import create_tables, use_schemas
from pso_pipeline_tests.marts.rows import forget_marts, insert, read, read_all

BY_ENTERPRISE = (
    "dim_enterprises",
    "dim_services",
    "fct_product_service_orders",
    "fct_order_state_changes",
    "agg_orders_daily",
    "agg_cancellation_curve",
)
AS_OF = datetime(2024, 7, 1)  # noqa: DTZ001  landed times are naive UTC


@pytest.fixture
def landed(connection):
    """Two hotels with one service each; one firm order of age 10 days and 6 hours, one of two years."""
    for hotel in ("north", "south"):
        insert(connection, "enterprises", [{"id": hotel, "name": hotel, "time_zone_identifier": "UTC"}])
        insert(connection, "services", [{"id": f"{hotel} spa", "enterprise_id": hotel, "name": "Spa"}])
        progress = {"service_id": f"{hotel} spa", "enterprise_id": hotel, "watermark_utc": AS_OF, "revision": 1}
        insert(connection, "sync_state", [progress])
        for name, age in (("young", timedelta(days=10, hours=6)), ("old", timedelta(days=730))):
            times = {"created_utc": AS_OF - age, "updated_utc": AS_OF - age, "fetched_utc": AS_OF}
            order = {
                "id": f"{hotel} {name}",
                "enterprise_id": hotel,
                "service_id": f"{hotel} spa",
                "state": "Confirmed",
            }
            insert(connection, "product_service_orders", [order | times])
    return connection


@contextlib.contextmanager
def failing_at(hotel: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the batch of a hotel fail, as DuckDB does where memory or disk is full."""
    compute_batch = derive_module._compute_batch

    def fail(connection: duckdb.DuckDBPyConnection, batch: int) -> set[str]:
        query = "SELECT enterprise_id FROM requested_enterprises WHERE batch = ?"
        if (hotel,) in connection.execute(query, [batch]).fetchall():
            raise duckdb.Error("no room")
        return compute_batch(connection, batch)

    with monkeypatch.context() as patched:
        patched.setattr(derive_module, "_compute_batch", fail)
        yield


def move_watermark(connection: duckdb.DuckDBPyConnection, hotel: str, moment: datetime) -> None:
    connection.execute("UPDATE mews.sync_state SET watermark_utc = ? WHERE enterprise_id = ?", [moment, hotel])


def revise(connection: duckdb.DuckDBPyConnection, hotel: str) -> None:
    connection.execute("UPDATE mews.sync_state SET revision = revision + 1 WHERE enterprise_id = ?", [hotel])


def known_until(connection: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    return dict(read(connection, "dim_enterprises", ["enterprise_id", "as_of_utc"]))


@pytest.mark.stores("file", "lake", "s3")
def test_the_first_derivation_makes_everything_and_the_next_nothing(landed):
    first = derive(landed)
    assert first.enterprises_recomputed == ["north", "south"]
    assert first.enterprises_recounted == []
    assert first.rows["fct_product_service_orders"] == first.rows["rpt_orders"] == 4
    assert first.rows["dim_services"] == 2
    assert first.rows["agg_cancellation_curve"] == 2 * (11 + 366)
    assert first.headlines["north"] == Headline("north", AS_OF.replace(tzinfo=UTC), 2, 2, 0, 0, 1, 0, 2)

    again = derive(landed)
    assert again.enterprises_recomputed == again.enterprises_recounted == []
    assert again.headlines == {}
    assert again.rows == first.rows


def test_only_the_enterprise_whose_orders_changed_is_made_anew(landed):
    derive(landed)
    landed.execute("UPDATE mews.product_service_orders SET state = 'Started'")
    revise(landed, "north")
    assert derive(landed).enterprises_recomputed == ["north"]
    assert read(landed, "fct_product_service_orders", ["order_id", "state"]) == [
        ("north old", "Started"),
        ("north young", "Started"),
        ("south old", "Confirmed"),
        ("south young", "Confirmed"),
    ]


def note(connection: duckdb.DuckDBPyConnection, order: str) -> None:
    """What a landing does for an order that it changed: a new revision of its service, noted with the order."""
    connection.execute(
        "UPDATE mews.sync_state SET revision = revision + 1"
        " WHERE scope_id = (SELECT service_id FROM mews.product_service_orders WHERE id = ?)",
        [order],
    )
    connection.execute(
        "INSERT INTO mews.changed_records SELECT endpoint, scope_id, id, revision FROM mews.product_service_orders"
        " INNER JOIN mews.sync_state ON scope_id = service_id WHERE id = ?",
        [order],
    )


def test_of_a_hotel_only_the_facts_of_orders_that_landings_noted_are_made_anew(landed):
    derive(landed)
    landed.execute("UPDATE mews.product_service_orders SET state = 'Started' WHERE enterprise_id = 'north'")
    note(landed, "north young")
    derived = derive(landed)
    assert derived.enterprises_recomputed == ["north"]
    assert derived.headlines["north"].checked_in_orders == 1
    assert ("north old", "Confirmed") in read(landed, "fct_product_service_orders", ["order_id", "state"])
    assert landed.execute("FROM mews.changed_records").fetchall() == [], "what was derived is forgotten"

    note(landed, "north young")
    revise(landed, "north")
    assert derive(landed).headlines["north"].checked_in_orders == 2, "a revision that nobody noted is the whole hotel's"


def test_what_was_observed_of_an_order_stays_as_it_is_stored(landed):
    changes = "SELECT rowid, from_state, to_state FROM mart.fct_order_state_changes WHERE order_id = ? ORDER BY rowid"
    derive(landed)
    (first_sight,) = landed.execute(changes, ["north young"]).fetchall()
    landed.execute(
        "INSERT INTO mews.superseded_product_service_orders BY NAME SELECT *, fetched_utc AS observed_utc"
        " FROM mews.product_service_orders WHERE id = 'north young'"
    )
    landed.execute(
        "UPDATE mews.product_service_orders SET state = 'Started', updated_utc = updated_utc + INTERVAL 1 DAY"
        " WHERE id = 'north young'"
    )
    note(landed, "north young")
    assert derive(landed).enterprises_recomputed == ["north"]
    stays, check_in = landed.execute(changes, ["north young"]).fetchall()
    assert stays == first_sight
    assert check_in[1:] == ("Confirmed", "Started")

    landed.execute("DELETE FROM mews.superseded_product_service_orders")
    note(landed, "north young")
    derive(landed)
    ((_, *only),) = landed.execute(changes, ["north young"]).fetchall()
    assert only == [None, "Started"], "what is no longer known goes"


def test_notes_of_what_the_marts_never_knew_make_the_whole_hotel(landed):
    note(landed, "north young")
    assert derive(landed).headlines["north"].orders_created == 2
    note(landed, "north young")
    forget_marts(landed)
    assert derive(landed).headlines["north"].orders_created == 2


def test_notes_of_a_restored_backup_make_the_whole_hotel(landed):
    """Its revisions count on from older ones, so that the newest of them alone looks new."""
    note(landed, "north young")
    derive(landed)
    landed.execute("UPDATE mews.sync_state SET revision = 1")
    landed.execute("UPDATE mews.product_service_orders SET state = 'Started' WHERE enterprise_id = 'north'")
    note(landed, "north young")
    note(landed, "north young")
    assert derive(landed).headlines["north"].checked_in_orders == 2


def test_a_cancellation_that_was_undone_leaves_the_day_on_which_it_counted(landed):
    landed.execute(
        "UPDATE mews.product_service_orders SET state = 'Canceled', cancelled_utc = created_utc + INTERVAL 3 DAY"
        " WHERE id = 'north young'"
    )
    derive(landed)
    days = "SELECT count(*), sum(cancellations), sum(canceled_orders) FROM mart.agg_orders_daily"
    assert landed.execute(days).fetchone() == (5, 1, 1)
    landed.execute("UPDATE mews.product_service_orders SET state = 'Confirmed' WHERE id = 'north young'")
    note(landed, "north young")
    derive(landed)
    assert landed.execute(days).fetchone() == (4, 0, 0)


def test_a_new_order_makes_the_cancellation_before_it_a_rebooking(landed):
    landed.execute(
        "UPDATE mews.product_service_orders SET account_id = 'ada', state = 'Canceled', cancelled_utc = created_utc"
        " WHERE id = 'north young'"
    )
    derive(landed)
    assert ("north young", False) in read(landed, "fct_product_service_orders", ["order_id", "is_rebooked"])
    landed.execute(
        "INSERT INTO mews.product_service_orders BY NAME"
        " SELECT * REPLACE ('north again' AS id, 'Confirmed' AS state, created_utc + INTERVAL 59 MINUTE AS created_utc,"
        " NULL AS cancelled_utc) FROM mews.product_service_orders WHERE id = 'north young'"
    )
    note(landed, "north again")
    derive(landed)
    assert ("north young", True) in read(landed, "fct_product_service_orders", ["order_id", "is_rebooked"])
    assert landed.execute("SELECT sum(rebooked_cancels) FROM mart.agg_orders_daily").fetchone() == (1,)


def test_ids_name_exactly_what_is_made_anew(landed):
    derive(landed)
    landed.execute("UPDATE mews.product_service_orders SET state = 'Started'")
    for hotel in ("north", "south"):
        revise(landed, hotel)
        move_watermark(landed, hotel, AS_OF + timedelta(hours=1))
    assert derive(landed, ["south"]).enterprises_recomputed == ["south"]
    assert known_until(landed) == {"north": AS_OF, "south": AS_OF + timedelta(hours=1)}
    assert set(read(landed, "rpt_orders", ["enterprise_name", "state"])) == {
        ("north", "Confirmed"),
        ("south", "Started"),
    }
    assert derive(landed, ["south"]).enterprises_recomputed == ["south"]
    assert derive(landed).enterprises_recomputed == ["north"]


def test_ranges_of_hotels_make_the_same_marts_and_complete_them_with_a_call_for_all(landed):
    derive(landed)
    expected = read_all(landed)
    ranges = [HotelRange(number, 5) for number in range(1, 6)]
    held = {hotel: next(each for each in ranges if each.has(hotel)) for hotel in ("north", "south")}
    assert len(set(held.values())) == 2, "the two hotels are in different ranges"
    forget_marts(landed)
    for each in ranges:
        recomputed = derive(landed, hotels=each).enterprises_recomputed
        assert recomputed == [hotel for hotel, its_range in held.items() if its_range == each]
        assert not is_complete(landed)
    assert read_all(landed) == expected
    assert derive(landed).enterprises_recomputed == []
    assert is_complete(landed)
    revise(landed, "north")
    revise(landed, "south")
    assert derive(landed, hotels=held["south"]).enterprises_recomputed == ["south"]
    assert derive(landed).enterprises_recomputed == ["north"]


def test_time_alone_ages_only_whom_it_concerns_and_once_a_day(landed):
    derive(landed)
    before = read(landed, "agg_cancellation_curve")

    move_watermark(landed, "north", AS_OF + timedelta(days=1, seconds=-1))
    moved = derive(landed)
    assert (moved.enterprises_recomputed, moved.enterprises_recounted) == ([], [])
    assert known_until(landed)["north"] == AS_OF + timedelta(days=1, seconds=-1)
    assert read(landed, "agg_cancellation_curve") == before

    move_watermark(landed, "north", AS_OF + timedelta(days=1))
    moved = derive(landed)
    assert (moved.enterprises_recomputed, moved.enterprises_recounted) == ([], ["north"])
    assert moved.headlines["north"].as_of_utc == (AS_OF + timedelta(days=1)).replace(tzinfo=UTC)
    added = set(read(landed, "agg_cancellation_curve")) - set(before)
    assert {row[:2] + row[3:] for row in added} == {("north", "north spa", 11, 1, 0)}

    # a restored warehouse, or a service that was read late, can lower the watermark
    move_watermark(landed, "north", AS_OF)
    assert derive(landed).enterprises_recounted == ["north"]
    assert read(landed, "agg_cancellation_curve") == before

    # the old order is past the end of the curve: only the young one's 30th day is left to come
    move_watermark(landed, "north", AS_OF + timedelta(days=20, seconds=-1))
    assert derive(landed).headlines["north"].mature_firm_orders_30d == 1
    move_watermark(landed, "north", AS_OF + timedelta(days=20))
    assert derive(landed).headlines["north"].mature_firm_orders_30d == 2

    incremental = read_all(landed)
    forget_marts(landed)
    derive(landed)
    assert read_all(landed) == incremental


def versions(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, date | None], int]:
    rows = connection.execute("FROM internal.table_versions").fetchall()
    assert len({(table, month) for table, month, _ in rows}) == len(rows), "one row for each table or month"
    return {(table, month): version for table, month, version in rows}


def raised(
    connection: duckdb.DuckDBPyConnection, before: dict[tuple[str, date | None], int]
) -> set[tuple[str, date | None]]:
    """Which versions a computation raised: all to the same number, which is higher than any before it."""
    found = {key: version for key, version in versions(connection).items() if version != before.get(key)}
    assert len(set(found.values())) <= 1
    assert all(version > max(before.values()) for version in found.values())
    return set(found)


def test_a_quiet_refresh_changes_as_of_utc_and_nothing_else_until_the_hotels_midnight(landed):
    landed.execute("UPDATE mews.enterprises SET time_zone_identifier = 'Asia/Tokyo' WHERE id = 'south'")
    derive(landed)
    before, numbers = read_all(landed), versions(landed)
    columns = [column.name for column in DIM_ENTERPRISES.columns if column.name != "as_of_utc"]
    hotels = read(landed, "dim_enterprises", columns)
    for later in (timedelta(minutes=15), timedelta(hours=14, minutes=59, seconds=59)):
        for hotel in ("north", "south"):
            move_watermark(landed, hotel, AS_OF + later)
        derived = derive(landed)
        assert (derived.enterprises_recomputed, derived.enterprises_recounted) == ([], [])
        assert set(known_until(landed).values()) == {AS_OF + later}
        after = read_all(landed)
        assert {name for name, rows in after.items() if rows != before[name]} == {"dim_enterprises"}
        assert read(landed, "dim_enterprises", columns) == hotels
        assert raised(landed, numbers) == {("dim_enterprises", None)}

    # 15:00 UTC is midnight in Tokyo
    move_watermark(landed, "south", AS_OF + timedelta(hours=15))
    numbers = versions(landed)
    assert derive(landed).enterprises_recounted == ["south"]
    changed = {name for name, rows in read_all(landed).items() if rows != before[name]}
    assert changed == {"dim_enterprises", "agg_cancellation_curve", "agg_changes", "agg_pickup"}
    assert raised(landed, numbers) == {(name, None) for name in changed}


LARGE = {"fct_product_service_orders", "fct_order_state_changes", "rpt_orders"}
OF_ITEMS = {"dim_products", "fct_order_items", "agg_item_revenue_daily", "agg_consumption_ahead"}
"""Tables without rows as long as no item has landed."""

OF_COMPLETE_DAYS = {"agg_pickup"}
"""Tables without rows as long as nothing was known at the end of a complete day."""

OF_THE_PIPELINE = {table.name for table in OPS_TABLES}
"""Tables that a publication fills."""

YOUNG, OLD = date(2024, 6, 1), date(2022, 7, 1)
"""The months in which the orders of `landed` were created."""


def test_every_table_and_month_has_a_version(landed):
    derive(landed)
    others = OF_ITEMS | OF_COMPLETE_DAYS | OF_THE_PIPELINE
    assert set(versions(landed)) == {
        *((table, month) for table in LARGE for month in (YOUNG, OLD)),
        *((table.name, None) for table in MART_TABLES if table.name not in LARGE | others),
    }


def test_a_version_is_raised_where_a_row_changed_and_nowhere_else(landed):
    derive(landed)
    numbers = versions(landed)
    derive(landed)
    assert raised(landed, numbers) == set()

    landed.execute("UPDATE mews.product_service_orders SET origin = 'Connector' WHERE id = 'north young'")
    note(landed, "north young")
    derive(landed)
    of_order = {(table, YOUNG) for table in LARGE}
    assert raised(landed, numbers) == {*of_order, ("agg_orders_daily", None), ("agg_changes", None)}

    numbers = versions(landed)
    note(landed, "north young")
    derive(landed)
    assert raised(landed, numbers) == set(), "an order that landed again as it was"


def test_the_months_that_an_order_leaves_have_a_new_version_too(landed):
    derive(landed)
    numbers = versions(landed)
    landed.execute("UPDATE mews.product_service_orders SET created_utc = '2024-02-03' WHERE id = 'north young'")
    note(landed, "north young")
    derive(landed)
    large = {key for key in raised(landed, numbers) if key[0] in LARGE}
    assert large == {(table, month) for table in LARGE for month in (YOUNG, date(2024, 2, 1))}

    numbers = versions(landed)
    landed.execute("UPDATE mews.product_service_orders SET is_missing_from_source = TRUE WHERE id = 'north young'")
    revise(landed, "north")
    derive(landed)
    large = {key for key in raised(landed, numbers) if key[0] in LARGE}
    assert large == {(table, date(2024, 2, 1)) for table in LARGE}


def test_names_raise_the_versions_of_what_shows_them(landed):
    derive(landed)
    numbers = versions(landed)
    landed.execute("UPDATE mews.enterprises SET name = 'Renamed' WHERE id = 'north'")
    derive(landed)
    of_names = {("agg_changes", None), ("rpt_orders", YOUNG), ("rpt_orders", OLD)}
    assert raised(landed, numbers) == {("dim_enterprises", None), *of_names}
    numbers = versions(landed)
    landed.execute("UPDATE mews.services SET name = 'Sauna' WHERE id = 'south spa'")
    derive(landed)
    assert raised(landed, numbers) == {("dim_services", None), *of_names}
    numbers = versions(landed)
    landed.execute("UPDATE mews.services SET is_active = FALSE WHERE id = 'south spa'")
    derive(landed)
    assert raised(landed, numbers) == {("dim_services", None)}


def test_versions_of_rebuilt_marts_are_told_apart(landed):
    derive(landed)
    ids = {landed.execute("SELECT marts_id FROM internal.marts_origin").fetchall()[0][0]}
    landed.execute("UPDATE internal.marts_definition SET definition_digest = 'that of an older version'")
    create_marts(landed)
    ids.add(landed.execute("SELECT marts_id FROM internal.marts_origin").fetchall()[0][0])
    assert len(ids) == 2


def test_an_order_becomes_unresolved_by_time_alone(landed):
    def unresolved() -> tuple[list[str], int]:
        facts = read(landed, "fct_product_service_orders", ["order_id", "is_unresolved"])
        counted = landed.execute("SELECT sum(unresolved_orders)::INT FROM mart.agg_orders_daily").fetchall()
        return [order for order, is_unresolved in facts if is_unresolved], counted[0][0]

    derive(landed)
    assert unresolved() == (["north old", "south old"], 2)
    move_watermark(landed, "north", AS_OF + timedelta(days=49))
    assert derive(landed).enterprises_recomputed == []
    assert unresolved() == (["north old", "south old"], 2), "59 days and 6 hours at its last midnight"
    move_watermark(landed, "north", AS_OF + timedelta(days=50))
    assert derive(landed).enterprises_recomputed == []
    assert unresolved() == (["north old", "north young", "south old"], 3)
    move_watermark(landed, "north", AS_OF)
    derive(landed)
    assert unresolved() == (["north old", "south old"], 2)


def test_a_service_that_was_never_read_to_its_end_says_that_its_hotel_is_not_known(landed):
    derive(landed)
    insert(landed, "services", [{"id": "north bar", "enterprise_id": "north", "kind": "Additional"}])
    before = read(landed, "agg_orders_daily")
    assert derive(landed).enterprises_recomputed == []
    assert read(landed, "agg_orders_daily") == before, "the orders of its other services are as old as before"
    assert read(landed, "dim_enterprises", ["enterprise_id", "as_of_utc", "as_of_date"]) == [
        ("north", None, None),
        ("south", AS_OF, AS_OF.date() - timedelta(days=1)),
    ]
    landed.execute("UPDATE mews.services SET kind = 'Bookable' WHERE id = 'north bar'")
    derive(landed)
    assert known_until(landed)["north"] == AS_OF, "orders are not made against bookable ones"


def test_where_all_companions_must_check_in_the_hotels_concerned_are_made_again(landed):
    def online() -> list[str]:
        facts = read(landed, "fct_product_service_orders", ["order_id", "is_online_checked_in"])
        return [order for order, is_checked_in in facts if is_checked_in]

    extra = """{"AccommodationEnvironmentCode": "DEU-01"}"""
    landed.execute("UPDATE mews.enterprises SET extra = ? WHERE id = 'north'", [extra])
    landed.execute("UPDATE mews.product_service_orders SET owner_checked_in = TRUE, all_companions_checked_in = FALSE")
    derive(landed)
    assert len(online()) == 4
    assert derive(landed, all_companions_environments=["deu-01", "FRA"]).enterprises_recomputed == ["north"]
    assert online() == ["south old", "south young"]
    assert derive(landed).enterprises_recomputed == [], "they stay as they were set"
    note(landed, "north young")
    assert derive(landed, all_companions_environments=[]).enterprises_recomputed == ["north"]
    assert len(online()) == 4, "all of the hotel, although a landing noted one order"


def test_only_the_months_that_aged_are_made_anew(landed):
    newer, older = AS_OF - timedelta(days=366), AS_OF - timedelta(days=40, hours=1)
    landed.execute("UPDATE mews.product_service_orders SET created_utc = ? WHERE id = 'north young'", [newer])
    landed.execute("UPDATE mews.product_service_orders SET created_utc = ? WHERE id = 'north old'", [older])
    derive(landed)
    before = read(landed, "agg_cancellation_curve")
    move_watermark(landed, "north", AS_OF + timedelta(days=1))
    assert derive(landed).enterprises_recounted == ["north"]
    month = older.date().replace(day=1)
    assert read(landed, "agg_cancellation_curve") == sorted(
        [*before, ("north", "north spa", month, 41, 1, 0)], key=repr
    )


def test_orders_that_are_not_firm_do_not_age(landed):
    landed.execute("UPDATE mews.product_service_orders SET state = 'Inquired'")
    derive(landed)
    move_watermark(landed, "north", AS_OF + timedelta(days=1))
    assert derive(landed).enterprises_recounted == []


def test_names_change_without_making_facts_anew(landed):
    derive(landed)
    landed.execute("UPDATE mews.enterprises SET name = 'Renamed' WHERE id = 'north'")
    landed.execute("UPDATE mews.services SET name = 'Sauna', is_active = FALSE WHERE id = 'north spa'")
    assert derive(landed).enterprises_recomputed == []
    names = read(landed, "rpt_orders", ["order_id", "enterprise_name", "service_name"])
    assert ("north old", "Renamed", "Sauna") in names
    assert ("north spa", False) in read(landed, "dim_services", ["service_id", "is_active"])


def test_another_time_zone_makes_the_facts_anew(landed):
    derive(landed)
    landed.execute("UPDATE mews.enterprises SET time_zone_identifier = 'Asia/Tokyo' WHERE id = 'north'")
    assert derive(landed).enterprises_recomputed == ["north"]


def test_an_enterprise_that_the_warehouse_no_longer_has_leaves_the_marts(landed):
    derive(landed)
    for table in ("enterprises", "services", "sync_state"):
        column = "id" if table == "enterprises" else "enterprise_id"
        landed.execute(f"DELETE FROM mews.{table} WHERE {column} = 'north'")
    derive(landed)
    for table in BY_ENTERPRISE:
        assert {row[0] for row in read(landed, table, ["enterprise_id"])} == {"south"}, table


def test_an_unknown_enterprise_is_named_and_nothing_changes(landed):
    with pytest.raises(UnknownEnterprise, match="nowhere"):
        derive(landed, ["north", "nowhere"])
    assert not any(read_all(landed).values())
    assert derive(landed).enterprises_recomputed == ["north", "south"]


@pytest.mark.stores("file", "lake", "s3")
def test_a_failure_half_way_changes_nothing(landed):
    derive(landed)
    before = read_all(landed)
    revise(landed, "north")
    landed.execute("UPDATE mews.product_service_orders SET state = 'Started'")
    landed.execute("ALTER TABLE mews.services RENAME TO hidden")
    try:
        with pytest.raises(duckdb.CatalogException):
            derive(landed)
    finally:
        landed.execute("ALTER TABLE mews.hidden RENAME TO services")
    assert read_all(landed) == before
    assert derive(landed).enterprises_recomputed == ["north"]


def test_batches_that_were_written_before_a_failure_stay_and_the_next_derivation_goes_on(landed, monkeypatch):
    with failing_at("south", monkeypatch), pytest.raises(duckdb.Error, match="no room"):
        derive(landed, orders_per_batch=1)
    written = {table: {row[0] for row in read(landed, table, ["enterprise_id"])} for table in BY_ENTERPRISE}
    assert all(hotels == {"north"} for hotels in written.values()), written

    assert derive(landed).enterprises_recomputed == ["south"]


def move(connection: duckdb.DuckDBPyConnection, order: str, hotel: str) -> None:
    """What a landing does for an order that moved to another hotel's service: it is noted for both."""
    note(connection, order)
    connection.execute(
        "INSERT INTO mews.superseded_product_service_orders BY NAME"
        " SELECT *, fetched_utc AS observed_utc FROM mews.product_service_orders WHERE id = ?",
        [order],
    )
    connection.execute(
        "UPDATE mews.product_service_orders SET enterprise_id = ?, service_id = ?, state = 'Started',"
        " updated_utc = updated_utc + INTERVAL 1 DAY WHERE id = ?",
        [hotel, f"{hotel} spa", order],
    )
    note(connection, order)


@pytest.mark.parametrize("orders_per_batch", [1, 1000])
def test_an_order_that_moved_to_another_hotel_counts_once_and_there(landed, orders_per_batch):
    derive(landed)
    move(landed, "north young", "south")
    assert derive(landed, orders_per_batch=orders_per_batch).enterprises_recomputed == ["north", "south"]
    assert read(landed, "fct_product_service_orders", ["order_id", "enterprise_id", "service_id"]) == [
        ("north old", "north", "north spa"),
        ("north young", "south", "south spa"),
        ("south old", "south", "south spa"),
        ("south young", "south", "south spa"),
    ]
    counts = "SELECT enterprise_id, sum(orders_created)::INT FROM mart.agg_orders_daily GROUP BY ALL ORDER BY ALL"
    assert landed.execute(counts).fetchall() == [("north", 1), ("south", 3)]
    incremental = read_all(landed)
    forget_marts(landed)
    derive(landed, orders_per_batch=1001 - orders_per_batch)
    assert read_all(landed) == incremental


def test_notes_that_a_killed_derivation_left_are_not_taken_for_newer_ones(landed):
    """Killed before it forgot them; then a full read marks an order missing, which it notes for no order."""
    derive(landed)
    note(landed, "north young")
    noted = landed.execute("FROM mews.changed_records").fetchall()
    derive(landed)
    landed.executemany("INSERT INTO mews.changed_records VALUES (?, ?, ?, ?)", noted)
    landed.execute("UPDATE mews.product_service_orders SET is_missing_from_source = TRUE WHERE id = 'north old'")
    revise(landed, "north")
    assert derive(landed).headlines["north"].orders_created == 1


@pytest.mark.parametrize("moment", ["0001-01-01", "9999-12-31 23:59:59", "infinity", "-infinity"])
@pytest.mark.parametrize("column", ["created_utc", "cancelled_utc", "updated_utc"])
def test_an_impossible_time_that_an_older_version_stored_stops_nothing(landed, column, moment):
    landed.execute("UPDATE mews.product_service_orders SET state = 'Canceled' WHERE id = 'south young'")
    landed.execute(f"UPDATE mews.product_service_orders SET {column} = ?::TIMESTAMP WHERE id = 'south young'", [moment])
    landed.execute(
        "INSERT INTO mews.superseded_product_service_orders BY NAME SELECT * FROM mews.product_service_orders"
    )
    derived = derive(landed)
    assert derived.rows["fct_product_service_orders"] == 4
    assert derived.rows["dim_dates"] < 45_000
    assert derived.headlines["north"].orders_created == derived.headlines["south"].orders_created == 2
    note(landed, "south young")
    assert derive(landed).headlines["south"].orders_created == 2


def test_long_names_are_cut(landed):
    landed.execute("UPDATE mews.enterprises SET name = repeat('n', 5000), chain_name = repeat('c', 5000)")
    landed.execute("UPDATE mews.services SET name = repeat('s', 5000)")
    landed.execute("UPDATE mews.product_service_orders SET origin = repeat('o', 5000)")
    derive(landed)
    names = read(landed, "rpt_orders", ["enterprise_name", "chain_name", "service_name", "origin"])
    assert set(names) == {("n" * 200, "c" * 200, "s" * 200, "o" * 200)}


def test_nothing_temporary_remains(landed):
    derive(landed)
    assert landed.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall() == []
    assert landed.execute("SELECT view_name FROM duckdb_views() WHERE temporary AND NOT internal").fetchall() == []


@pytest.mark.stores("file")  # marts in a database of their own
def test_tables_are_as_the_contract_says_and_everything_is_commented(connection):
    for table in (*MART_TABLES, *INTERNAL_TABLES):
        found = connection.execute(
            "SELECT column_name, data_type, comment FROM duckdb_columns()"
            " WHERE database_name = 'marts' AND schema_name = ? AND table_name = ? ORDER BY column_index",
            [table.schema, table.name],
        ).fetchall()
        assert found == [(column.name, column.type, column.description) for column in table.columns], table.name
    comments = connection.execute(
        "SELECT table_name, comment FROM duckdb_tables() WHERE database_name = 'marts'"
        " UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'marts' AND NOT internal"
    ).fetchall()
    assert dict(comments) == {table.name: table.description for table in (*MART_TABLES, *INTERNAL_TABLES)}
    assert all(comment.endswith(".") for _, comment in comments)


def test_marts_of_another_definition_are_made_anew(landed):
    derive(landed)
    create_marts(landed)
    assert len(read(landed, "rpt_orders")) == 4, "the same definition leaves them alone"

    landed.execute("UPDATE internal.marts_definition SET definition_digest = 'that of an older version'")
    landed.execute("ALTER TABLE mart.dim_dates DROP COLUMN weekday")
    create_marts(landed)
    assert not any(read_all(landed).values())
    assert derive(landed).enterprises_recomputed == ["north", "south"]


def test_the_marts_file_stands_by_itself_under_any_name(tmp_path):
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH ':memory:' AS warehouse; ATTACH '{tmp_path / 'a.duckdb'}' AS marts")
        use_schemas(connection)
        create_tables(connection)
        create_marts(connection)
        derive(connection)
    (tmp_path / "a.duckdb").rename(tmp_path / "pso_bi.duckdb")
    with duckdb.connect(str(tmp_path / "pso_bi.duckdb"), read_only=True) as alone:
        for table in MART_TABLES:
            assert alone.execute(f"SELECT count(*) FROM {table.qualified_name}").fetchone() == (0,)
        comments = alone.execute("SELECT comment FROM duckdb_columns() WHERE schema_name = 'mart'").fetchall()
        assert len(comments) == sum(len(table.columns) for table in MART_TABLES)
        assert all(comment for (comment,) in comments)
    with duckdb.connect() as other:
        other.execute(f"ATTACH '{tmp_path / 'pso_bi.duckdb'}' AS bi (READ_ONLY)")
        assert other.execute("SELECT count(*) FROM bi.mart.agg_cancellation_curve").fetchone() == (0,)
        assert other.execute("SELECT count(*) FROM bi.mart.rpt_orders").fetchone() == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE mews.warehouse_info SET warehouse_id = 'another warehouse'",
        "UPDATE mews.warehouse_info SET derivation_id = 'as it was when the backup was made'",
        "UPDATE internal.marts_definition SET definition_digest = 'that of an older version'",
    ],
    ids=["another warehouse", "a restored backup", "an upgrade"],
)
def test_marts_that_do_not_belong_to_the_warehouse_are_made_again_and_complete_with_the_last_hotel(
    landed, statement, monkeypatch
):
    derive(landed)
    create_marts(landed)
    assert is_complete(landed)
    # the same revisions, other orders
    landed.execute("UPDATE mews.product_service_orders SET state = 'Started'")
    landed.execute(statement)
    create_marts(landed)
    assert not is_complete(landed)
    with failing_at("south", monkeypatch), pytest.raises(duckdb.Error, match="no room"):
        derive(landed, orders_per_batch=1)
    assert not is_complete(landed), "a derivation that was killed half way leaves them so"

    assert derive(landed, ["north"]).enterprises_recomputed == ["north", "south"], "what is missing is made too"
    assert is_complete(landed)
    assert {state for (state,) in read(landed, "fct_product_service_orders", ["state"])} == {"Started"}
    create_marts(landed)
    assert len(read(landed, "rpt_orders")) == 4


@pytest.mark.stores("file")  # marts in a database of their own
def test_marts_that_were_restored_from_a_backup_are_made_again(landed, tmp_path):
    derive(landed)
    before = landed.execute("FROM internal.marts_origin").fetchall()
    note(landed, "north young")
    derive(landed)
    landed.execute("DELETE FROM internal.marts_origin")
    landed.execute("INSERT INTO internal.marts_origin VALUES (?, ?, ?, ?)", before[0])
    create_marts(landed)
    assert not any(read_all(landed).values())


def test_a_derivation_without_changes_keeps_its_id(landed):
    derive(landed)
    before = landed.execute("FROM mews.warehouse_info").fetchall()
    move_watermark(landed, "north", AS_OF + timedelta(days=1))
    assert derive(landed).enterprises_recounted == ["north"]
    assert landed.execute("FROM mews.warehouse_info").fetchall() == before
