"""A sandbox's world through the whole pipeline: what is published agrees with plain Python over the API's records.

Small where nothing is said; PSO_WORLD_ORDERS=100000 makes it large, and `--log-cli-level=INFO` shows its size.
"""

import json
import logging
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from dagster import DagsterInstance

from pso_pipeline.contract.enums import SOLD_ITEM_TYPES
from pso_pipeline.contract.marts import AGG_ORDERS_DAILY
from pso_pipeline.definitions import defs
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.world import GeneratedWorld, Snapshot
from pso_pipeline_tests.fakes.server import serve
from pso_pipeline_tests.marts import reference, reference_items
from pso_pipeline_tests.marts.test_independent import items_by_key
from pso_pipeline_tests.marts.world import World
from pso_pipeline_tests.truth import expected_rows

logger = logging.getLogger(__name__)

ORDERS = int(os.environ.get("PSO_WORLD_ORDERS", "1500"))
NOON = datetime(2026, 10, 20, 12, tzinfo=UTC)
KEY = AGG_ORDERS_DAILY.key
COUNTS = [name for name in AGG_ORDERS_DAILY.column_names if name not in KEY]


@pytest.fixture
def world():
    return GeneratedWorld(seed=3, enterprises=6, orders=ORDERS, clock=Clock(frozen_at=NOON))


@pytest.fixture
def refresh(world, monkeypatch, any_server_time):
    """Run the refresh job against the world."""
    with serve(world, requests_per_window=None) as sandbox, DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", sandbox.address)
        monkeypatch.setenv("MEWS_CLIENT_TOKEN", world.client_token)
        strict = strict_environments(world.snapshot(NOON))
        monkeypatch.setenv("PSO_ALL_COMPANIONS_ENVIRONMENTS", ", ".join(code.lower() for code in strict))
        monkeypatch.setenv("MEWS_ACCESS_TOKENS", world.access_token)
        yield lambda: defs.get_job_def("refresh").execute_in_process(instance=instance)


def landed(truth: Snapshot, until: datetime, earlier: Snapshot | None = None) -> World:
    """The API's records as the rows that the independent computation takes, read completely at `until`.

    `earlier` is what a read before had seen: those of its versions that were replaced are known too.
    """
    orders = expected_rows(truth.orders, truth.services).values()
    newest = {order["id"]: order["updated_utc"] for order in orders}
    seen = expected_rows(earlier.orders, earlier.services).values() if earlier else ()
    progress = {"watermark_utc": until.replace(tzinfo=None)}
    return World(
        enterprises=[
            {"id": e["Id"], "time_zone_identifier": e["TimeZoneIdentifier"], "extra": json.dumps(e)}
            for e in truth.enterprises
        ],
        all_companions_environments=strict_environments(truth),
        services=[
            {"id": s["Id"], "enterprise_id": s["EnterpriseId"], "kind": s["Data"]["Discriminator"]}
            for s in truth.services
        ],
        sync_state=[
            *({"service_id": s["Id"], "enterprise_id": s["EnterpriseId"], **progress} for s in truth.services),
            *(
                {"endpoint": "order_items", "service_id": e["Id"], "enterprise_id": e["Id"], **progress}
                for e in truth.enterprises
                if truth.items
            ),
        ],
        order_items=[_item(item) for item in truth.items if item["Type"] in SOLD_ITEM_TYPES],
        product_service_orders=[{**order, "is_missing_from_source": False, "fetched_utc": until} for order in orders],
        superseded_product_service_orders=[
            {**version, "observed_utc": NOON} for version in seen if version["updated_utc"] < newest[version["id"]]
        ],
    )


def _item(record: dict[str, Any]) -> dict[str, Any]:
    """What of an item of the API the independent computation takes."""
    data, amount = record["Data"] or {}, record["Amount"]
    moments = {
        f"{name.lower()}_utc": text and datetime.fromisoformat(text).replace(tzinfo=None)
        for name in ("Created", "Updated", "Consumed", "Canceled")
        for text in [record.get(f"{name}Utc")]
    }
    return moments | {
        "id": record["Id"],
        "enterprise_id": record["EnterpriseId"],
        "service_id": record["ServiceId"],
        "service_order_id": record.get("ServiceOrderId"),
        "type": record["Type"],
        "data_kind": data.get("Discriminator"),
        "product_id": data.get("Product", {}).get("ProductId"),
        "rebate_product_id": data.get("Rebate", {}).get("ProductId"),
        "unit_count": record["UnitCount"],
        "currency": amount["Currency"],
        "gross_value": Decimal(str(amount["GrossValue"])),
        "net_value": Decimal(str(amount["NetValue"])),
        "accounting_state": record["AccountingState"],
        "is_missing_from_source": False,
    }


def strict_environments(truth: Snapshot) -> tuple[str, ...]:
    """Some of the accommodation environments of the world, where all companions must check in."""
    return tuple(sorted({enterprise["AccommodationEnvironmentCode"] for enterprise in truth.enterprises})[::2])


def check(truth: World, until: datetime) -> None:
    with duckdb.connect("data/bi/pso_bi.duckdb", read_only=True) as snapshot:
        as_of = snapshot.execute("SELECT DISTINCT as_of_utc FROM mart.dim_enterprises").fetchall()
        columns = ", ".join([*KEY, *COUNTS])
        rows = snapshot.execute(f"SELECT {columns} FROM mart.agg_orders_daily").fetchall()
        ages = snapshot.execute("FROM mart.agg_cancellation_curve").fetchall()
    assert as_of == [(until.replace(tzinfo=None),)]
    daily = {row[: len(KEY)]: Counter(dict(zip(COUNTS, row[len(KEY) :], strict=True))) for row in rows}
    assert len(daily) == len(rows)
    assert reference.differences(daily, reference.orders_daily(truth, reference_items.order_values(truth))) == {}
    with duckdb.connect("data/bi/pso_bi.duckdb", read_only=True) as snapshot:
        revenue = items_by_key(snapshot)
        ahead = {row[:4]: row[4:] for row in snapshot.execute("FROM mart.agg_consumption_ahead").fetchall()}
    assert len(revenue) > 100
    assert reference.differences(revenue, reference_items.item_revenue_daily(truth)) == {}
    assert ahead == reference_items.consumption_ahead(truth)
    curve: Counter[tuple[Any, ...]] = Counter()
    for *cohort, at_risk, canceled in ages:
        curve[*cohort, "orders_at_risk"] += at_risk
        curve[*cohort, "canceled_by_then"] += canceled
    assert curve == reference.cancellation_curve(truth)
    logger.info(
        "%d orders: %d rows by day, %d of the curve agree", len(truth.product_service_orders), *map(len, (rows, ages))
    )


def test_what_is_published_agrees_with_the_source_and_again_a_month_later(refresh, world):
    refresh()
    check(landed(world.snapshot(NOON, with_items=True), NOON), NOON)
    later = NOON + timedelta(days=37, hours=5)
    world.clock.advance((later - NOON).total_seconds())
    refresh()
    check(landed(world.snapshot(later, with_items=True), later, world.snapshot(NOON)), later)
