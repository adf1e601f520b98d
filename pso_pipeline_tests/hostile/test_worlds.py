"""Any value in any field of any record: the healthy hotels are published each time, and nothing is lost in silence.

A world of a few hotels is read and published, spoiled and read again, put right and read once more, by the job that
Dagster runs. PSO_TEST_WORLDS says how many worlds, and lets them differ from run to run.
"""

import copy
import os
import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pso_pipeline.bi.rates import load_metrics, rate_sql
from pso_pipeline.cli import main
from pso_pipeline_tests.hostile.api import HostileApi, Paging, serve
from pso_pipeline_tests.hostile.pipeline import Connection, Pipeline, naive, pipeline
from pso_pipeline_tests.hostile.spoiling import REQUIRED, Spoiler, Step, steps
from pso_pipeline_tests.hostile.world import Held, Hotel, add_order, change, hotels_of
from pso_pipeline_tests.truth import expected_rows, landed_rows

WORLDS = int(os.environ.get("PSO_TEST_WORLDS", "12"))
TOLERATED_REJECTS = 10
"""Unreadable orders of a hotel up to which its other orders are published."""

pagings = st.builds(
    Paging,
    longest_page=st.sampled_from([1000, 1000, 7, 3, 1]),
    prefix=st.sampled_from(["", "0F515589-99B4-423D-B83A-", "🏨 ", "x" * 300]),
    ending=st.sampled_from(["empty page", "empty page", "null", "empty text", "no cursor"]),
)


@dataclass(frozen=True)
class Scene:
    """A drawn world: how many of its hotels may be spoiled, by which steps, and how the server pages."""

    seed: int
    healthy: int
    spoilable: int
    begins_healthy: bool
    steps: list[Step]
    paging: Paging
    page_size: int
    refuses_unknown: bool


scenes = st.builds(
    Scene,
    seed=st.integers(0, 10_000),
    healthy=st.integers(1, 2),
    spoilable=st.integers(1, 2),
    begins_healthy=st.booleans(),
    steps=st.lists(steps, min_size=1, max_size=6),
    paging=pagings,
    page_size=st.sampled_from([1000, 10, 4]),
    refuses_unknown=st.booleans(),
)


@settings(
    max_examples=WORLDS,
    deadline=None,
    database=None,
    derandomize="PSO_TEST_WORLDS" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
@given(scene=scenes)
def test_healthy_hotels_are_published_whatever_others_hold(monkeypatch, capfd, caplog, scene):
    began = datetime.now(UTC)
    chance = random.Random(f"changes of {scene.seed}")  # a stream of its own: ids of `hotels_of` must not come again
    hotels = hotels_of(scene.seed, scene.healthy + scene.spoilable, began)
    api = HostileApi(hotels, scene.paging, scene.refuses_unknown)
    with serve(api) as address, pipeline(monkeypatch, address, scene.page_size) as run:
        if scene.begins_healthy:
            assert run.refresh() == []
            check(run, hotels, began)
            began = datetime.now(UTC)
            changes(hotels, chance, began)

        right = copy.deepcopy(hotels)
        api.answered_services.clear()
        spoiler = Spoiler(hotels[scene.healthy :], began)
        for step in scene.steps:
            spoiler.take(step)
        reasons = run.refresh()
        check(run, hotels, began, reasons)
        assert_nothing_is_lost(run, api)

        began = datetime.now(UTC)
        put_right(hotels, right, began)
        api.hotels = right
        reasons = run.refresh()
        spoiled = {hotel.id for hotel in hotels[scene.healthy :]}
        check(run, right, began, reasons, with_remains=spoiled)
        check_status()
    said = "".join(capfd.readouterr()) + caplog.text
    assert "Traceback" not in said
    caplog.clear()


def changes(hotels: list[Hotel], chance: random.Random, now: datetime) -> None:
    """Something new in each hotel, so that it shows whether it was read."""
    for hotel in hotels:
        change(add_order(hotel, chance, now), now)
        change(chance.choice(hotel.orders), now, State="Processed")


def put_right(spoiled: list[Hotel], right: list[Hotel], now: datetime) -> None:
    """Let each order that was another one for a while count as changed now."""
    sent = {order.json for hotel in spoiled for order in hotel.orders if order.is_as_it_should_be}
    for hotel in right:
        for order in hotel.orders:
            if order.json not in sent:
                change(order, now)


def check(
    run: Pipeline,
    hotels: list[Hotel],
    began: datetime,
    reasons: Iterable[str] = (),
    with_remains: Collection[str] = (),
) -> None:
    """What must be published of the hotels that are as they should be, and of others nearly so.

    Hotels `with_remains` may still have orders under ids that these bore for a while.
    """
    uncertain = {name for hotel in hotels for held in hotel if not held.is_as_it_should_be for name in ids_of(held)}
    with run.opened() as (warehouse, snapshot):
        rows = landed_rows(warehouse)
        keys = dict(warehouse.execute("SELECT id, partition_key FROM mews.enterprises").fetchall())
        errors = dict(
            warehouse.execute(
                "SELECT scope_id, last_error FROM mews.sync_state WHERE endpoint = 'product_service_orders'"
            ).fetchall()
        )
        published = published_orders(snapshot)
        up_to_date = zones_of_hotels_as_of(snapshot, began)
        for hotel in filter(is_readable, hotels):
            assert hotel.id in up_to_date, f"{keys.get(hotel.id)} is not up to date: {reasons}"
            assert not any(str(keys[hotel.id]) in reason for reason in reasons), reasons
            assert {errors[service.was] for service in hotel.services} == {None}
            zone, orders = zone_of(hotel), published[hotel.id]
            if zone:
                assert up_to_date[hotel.id] == zone
            right = [order for order in hotel.orders if order.is_as_it_should_be and not ids_of(order) & uncertain]
            expected = expected_rows(map(lower, right), [lower(service) for service in hotel.services])
            assert {order: rows.get(order) for order in expected} == expected
            for order, row in expected.items():
                assert orders[order] == as_published(row, zone, orders[order])
            if hotel.is_as_it_should_be and not uncertain & orders.keys():
                assert hotel.id in with_remains or orders.keys() == expected.keys()
                check_counts(snapshot, hotel.id, orders)
        check_rates(snapshot)


def is_readable(hotel: Hotel) -> bool:
    """Whether nothing is wrong with the hotel but fields that nothing depends on, and a few of its orders."""
    spoiled = {
        (kind, name)
        for kind, all_held in (("enterprise", [hotel.enterprise]), ("service", hotel.services))
        for held in all_held
        for name in held.spoiled
    }
    fatal = {(kind, name) for kind, names in REQUIRED.items() for name in (*names, "whole")}
    wrong = sum(not order.is_as_it_should_be for order in hotel.orders)
    return not spoiled & fatal and wrong <= TOLERATED_REJECTS


def ids_of(held: Held) -> set[str]:
    """The id that a record has, and the one that it had."""
    return {held.was, *([held.record["Id"].lower()] if isinstance(held.record.get("Id"), str) else [])}


def lower(held: Held) -> dict[str, Any]:
    ids = {"Id", "ServiceId", "EnterpriseId"}
    return {
        name: value.lower() if name in ids and isinstance(value, str) else value for name, value in held.record.items()
    }


def zone_of(hotel: Hotel) -> str | None:
    enterprise = hotel.enterprise
    return None if "TimeZoneIdentifier" in enterprise.spoiled else str(enterprise.record["TimeZoneIdentifier"])


def zones_of_hotels_as_of(snapshot: Connection, began: datetime) -> dict[str, str]:
    """The time zones of the hotels in scope that are published as of this time or a later one that has passed."""
    return dict(
        snapshot.execute(
            "SELECT enterprise_id, time_zone FROM mart.dim_enterprises WHERE is_in_scope AND as_of_utc BETWEEN ? AND ?",
            [naive(began.replace(microsecond=0)), naive(datetime.now(UTC))],
        ).fetchall()
    )


COLUMNS = (
    "service_id", "order_number", "state", "origin", "account_type", "created_at", "updated_at", "canceled_at",
    "created_date", "canceled_date", "is_checked_in", "is_canceled", "owner_checked_in", "has_voucher", "is_linked",
)  # fmt: skip


def published_orders(snapshot: Connection) -> dict[str, dict[str, dict[str, Any]]]:
    """By hotel and order, these columns of the facts; each order is there once."""
    columns = ", ".join(COLUMNS)
    rows = snapshot.execute(
        f"SELECT enterprise_id, order_id, {columns} FROM mart.fct_product_service_orders"
    ).fetchall()
    assert len({row[1] for row in rows}) == len(rows), "an order is published twice"
    found: dict[str, dict[str, dict[str, Any]]] = {
        hotel: {} for (hotel,) in snapshot.execute("SELECT enterprise_id FROM mart.dim_enterprises").fetchall()
    }
    for hotel, order, *values in rows:
        found[hotel][order] = dict(zip(COLUMNS, values, strict=True))
    return found


def as_published(row: dict[str, Any], zone: str | None, published: dict[str, Any]) -> dict[str, Any]:
    """A landed row as its facts must be; where the hotel's zone is spoiled, the dates are not judged."""
    canceled = row["cancelled_utc"] if row["state"] == "Canceled" else None
    return {
        "service_id": row["service_id"],
        "order_number": row["number"],
        "state": row["state"],
        "origin": row["origin"],
        "account_type": row["account_type"],
        "created_at": row["created_utc"],
        "updated_at": row["updated_utc"],
        "canceled_at": canceled,
        "created_date": local(row["created_utc"], zone) if zone else published["created_date"],
        "canceled_date": local(canceled, zone) if zone else published["canceled_date"],
        "is_checked_in": row["state"] in {"Started", "Processed"},
        "is_canceled": row["state"] == "Canceled",
        "owner_checked_in": row["owner_checked_in"],
        "has_voucher": row["voucher_id"] is not None,
        "is_linked": row["linked_reservation_id"] is not None,
    }


def local(moment: datetime | None, zone: str) -> date | None:
    return moment and moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()


def check_counts(snapshot: Connection, hotel: str, orders: dict[str, dict[str, Any]]) -> None:
    """The daily counts of a hotel are those of its orders."""
    rows = snapshot.execute(
        "SELECT service_id, date, sum(orders_created), sum(checked_in_orders), sum(canceled_orders), sum(cancellations)"
        " FROM mart.agg_orders_daily WHERE enterprise_id = ? GROUP BY ALL",
        [hotel],
    ).fetchall()
    counts: dict[tuple[str, date], list[int]] = {}
    for order in orders.values():
        day = counts.setdefault((order["service_id"], order["created_date"]), [0, 0, 0, 0])
        day[0] += 1
        day[1] += order["is_checked_in"]
        day[2] += order["is_canceled"]
        if order["canceled_date"]:
            counts.setdefault((order["service_id"], order["canceled_date"]), [0, 0, 0, 0])[3] += 1
    assert {(service, day): list(values) for service, day, *values in rows} == counts


def check_rates(snapshot: Connection) -> None:
    """Every share of what is published, in all and by hotel, lies between 0 and 1."""
    shares = [rate for rate in load_metrics().rates if rate.is_share]
    for table in {rate.table for rate in shares}:
        of_table = [rate for rate in shares if rate.table == table]
        for by in ("", "GROUP BY enterprise_id"):
            rows = snapshot.execute(f"SELECT {', '.join(map(rate_sql, of_table))} FROM mart.{table} {by}").fetchall()
            for row in rows:
                assert all(share is None or 0 <= share <= 1 for share in row), dict(zip(of_table, row, strict=True))


def assert_nothing_is_lost(run: Pipeline, api: HostileApi) -> None:
    """Every record that was sent has landed or is kept with a reason."""
    kept, rejected = run.kept_marks()
    assert all(reason.strip() for reason, _ in rejected)
    texts = [record for _, record in rejected]
    for hotel in api.hotels:
        sent = [
            hotel.enterprise,
            *hotel.services,
            *(each for each in hotel.orders if each.home in api.answered_services),
        ]
        for held in sent:
            wanted = held.instead.text if held.instead else held.mark
            assert held.mark in kept or any(wanted in text for text in texts), f"lost: {held.json[:500]}"


def check_status() -> None:
    """`pso status` shows it all, whatever the names hold."""
    for arguments in (["status"], ["status", "--json"]):
        shown = CliRunner().invoke(main, arguments)
        assert shown.exception is None or isinstance(shown.exception, SystemExit), shown.exception
        assert "\x1b]" not in shown.output
