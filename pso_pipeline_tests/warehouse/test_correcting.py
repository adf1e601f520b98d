"""Times in the future, which a wrong clock left behind, are put back by the next refresh."""

from datetime import UTC, timedelta

import pytest

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS
from pso_pipeline.warehouse.landing.correcting import TOLERANCE, correct_listings, correct_progress
from pso_pipeline.warehouse.landing.progress import Completed, FullReadProgress, record
from pso_pipeline.warehouse.landing.records import land_records
from pso_pipeline_tests.warehouse.test_landing import START, landing, order

NOW = START + timedelta(days=10)


def completed(service, watermark):
    return Completed(service, "e1", watermark, watermark, is_full=True)


def progress(connection):
    rows = connection.execute("SELECT scope_id, watermark_utc, revision FROM mews.sync_state").fetchall()
    return {service: (watermark and watermark.replace(tzinfo=UTC), revision) for service, watermark, revision in rows}


@pytest.mark.parametrize("ahead", [timedelta(minutes=6), timedelta(hours=23), timedelta(days=400)])
def test_a_watermark_in_the_future_goes_back_to_a_time_up_to_which_all_has_surely_landed(warehouse, ahead):
    with warehouse.open() as connection:
        land_records(
            connection,
            landing(
                order(updated=5), progress=[completed("s1", NOW + ahead), completed("s2", NOW - timedelta(hours=1))]
            ),
        )
        (notice,) = correct_progress(connection, NOW)
        assert notice.startswith("1 service(s) had a watermark in the future")
        latest_update = START + timedelta(seconds=5)
        expected = latest_update if ahead > timedelta(days=1) else NOW - timedelta(days=1)
        assert progress(connection) == {"s1": (expected, 2), "s2": (NOW - timedelta(hours=1), 0)}
        assert correct_progress(connection, NOW) == []


def test_a_watermark_in_the_future_without_any_order_makes_the_service_be_read_from_its_beginning(warehouse):
    with warehouse.open() as connection:
        record(connection, PRODUCT_SERVICE_ORDERS, [completed("s1", NOW + timedelta(days=400))])
        correct_progress(connection, NOW)
        assert progress(connection)["s1"][0] is None


def test_times_that_are_a_little_ahead_stay(warehouse):
    with warehouse.open() as connection:
        record(connection, PRODUCT_SERVICE_ORDERS, [completed("s1", NOW + TOLERANCE)])
        assert correct_progress(connection, NOW) == []
        assert progress(connection)["s1"][0] == NOW + TOLERANCE


def test_stamps_in_the_future_are_corrected_in_their_order_and_the_hotel_is_recomputed(warehouse):
    def seconds(days, more=0):
        return int(timedelta(days=days).total_seconds()) + more

    with warehouse.open() as connection:
        rows = [order("early", fetched=3), order("late", fetched=seconds(400)), order("later", fetched=seconds(400, 5))]
        land_records(connection, landing(*rows, progress=[completed("s1", START)]))
        land_records(connection, landing(order("late", updated=9, fetched=seconds(500), state="Canceled")))
        before = progress(connection)["s1"][1]
        (notice,) = correct_progress(connection, NOW)
        assert "recomputed" in notice
        stamps = connection.execute(
            "SELECT id, state, observed_utc FROM mews.product_service_order_versions ORDER BY observed_utc"
        ).fetchall()
        assert [(name, state) for name, state, _ in stamps] == [
            ("early", "Confirmed"),
            ("late", "Confirmed"),
            ("later", "Confirmed"),
            ("late", "Canceled"),
        ]
        assert all(stamp.replace(tzinfo=UTC) < NOW for *_, stamp in stamps)
        assert progress(connection)["s1"][1] == before + 1
        assert correct_progress(connection, NOW) == []


def test_a_full_read_that_began_in_the_future_starts_from_the_top(warehouse):
    with warehouse.open() as connection:
        record(
            connection,
            PRODUCT_SERVICE_ORDERS,
            [FullReadProgress("s1", "e1", NOW + timedelta(days=3), "cursor", 7, is_resync=False)],
        )
        correct_progress(connection, NOW)
        query = "SELECT full_read_started_utc, full_read_cursor FROM mews.sync_state"
        assert connection.execute(query).fetchall() == [(None, None)]


def test_listings_in_the_future_are_forgotten(warehouse):
    with warehouse.open() as connection:
        connection.execute(
            "INSERT INTO mews.service_listings VALUES ('e1', 't', $now, $now), ('e2', 't', $now, $later)",
            {"now": NOW.replace(tzinfo=None), "later": (NOW + timedelta(days=2)).replace(tzinfo=None)},
        )
        (notice,) = correct_listings(connection, NOW)
        assert notice.startswith("the services of 1 hotel(s) were listed at a time in the future")
        assert connection.execute("SELECT enterprise_id FROM mews.service_listings").fetchall() == [("e1",)]
        assert correct_listings(connection, NOW) == []
