"""An endpoint is a description and a line in the registry: everything else follows from it.

A small endpoint is added to a copy of the registry and read over real HTTP: records with a nested object, a list and an
amount, each hotel with a watermark of its own.
"""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pso_pipeline.contract.columns import Column
from pso_pipeline.contract.endpoints import ENDPOINTS
from pso_pipeline.contract.endpoints.endpoint import Endpoint
from pso_pipeline.contract.warehouse import warehouse_tables
from pso_pipeline.ingestion import api as api_module
from pso_pipeline.ingestion.api import open_api
from pso_pipeline.ingestion.clock import ServerClock
from pso_pipeline.ingestion.fetch import fetch_records
from pso_pipeline.ingestion.scope import discover_enterprises, discover_services
from pso_pipeline.ingestion.sync import EnterpriseOutcome, SyncOptions, SyncReport, combine_reports, sync_records
from pso_pipeline.mews.tokens import Token
from pso_pipeline.orchestration.checks import records_checks
from pso_pipeline.settings import Settings
from pso_pipeline.warehouse.checks.evaluate import evaluate_landed, find_held_back
from pso_pipeline.warehouse.checks.readings import read_rejections
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.ingestion.new_endpoint import PAYMENTS
from pso_pipeline_tests.mews.scripted_server import Received, Reply, ScriptedServer

REGISTRY = (*ENDPOINTS, PAYMENTS)


def item(identifier: str, hotel: str = "h1", **changes: Any) -> dict[str, Any]:
    return {
        "Id": identifier,
        "EnterpriseId": hotel,
        "Notes": None,
        "Amount": {"Currency": "EUR", "GrossValue": 0.1, "NetValue": 0.09, "TaxValues": [{"Code": "A", "Value": 0.01}]},
        "Tags": ["breakfast", "late"],
        "UnitCount": 2,
        "Data": {"Discriminator": "Product", "Product": {"ProductId": "P1"}},
        "ConsumedDay": "2026-11-01",
        "UpdatedUtc": "2026-11-01T10:00:00Z",
    } | changes


class Source:
    """Two hotels without services, and items, all on one page."""

    def __init__(self) -> None:
        self.items = [item("i1"), item("i2", "h2")]
        self.requests: list[dict[str, Any]] = []

    def __call__(self, received: Received) -> Reply:
        resource = received.path.split("/")[-2]
        if resource == "enterprises":
            return Reply(
                body={"Enterprises": [{"Id": "h1", "Name": "One"}, {"Id": "h2", "Name": "Two"}], "Cursor": None}
            )
        if resource == "services":
            return Reply(body={"Services": [], "Cursor": None})
        self.requests.append(received.body)
        since = received.body.get("UpdatedUtc", {"StartUtc": ""})["StartUtc"]
        hotels = received.body["EnterpriseIds"]
        found = [
            each for each in self.items if each["EnterpriseId"] in hotels and str(each.get("UpdatedUtc", "9")) >= since
        ]
        return Reply(body={"Payments": found, "Cursor": None})


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def refresh(source, tmp_path, monkeypatch):
    """Read the new endpoint, all hotels, as the steps of a run do."""
    monkeypatch.setattr(api_module, "limiter_folder", lambda: tmp_path / "limits")
    monkeypatch.setenv("MEWS_CLIENT_TOKEN", "client")
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "access")
    with ScriptedServer(source) as server:
        monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", server.address)

        def run(endpoint: Endpoint = PAYMENTS, *, is_full: bool = False):
            warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"), endpoints=(*ENDPOINTS, endpoint))

            async def steps():
                clock = ServerClock()
                async with open_api(Settings.load(), clock=clock) as api:
                    await discover_enterprises(api, warehouse)
                    await discover_services(api, warehouse)
                    return await sync_records(api, warehouse, SyncOptions(endpoint=endpoint, is_full=is_full))

            return asyncio.run(steps()), warehouse

        yield run


def query(warehouse: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    with warehouse.open() as connection:
        return connection.execute(sql).fetchall()


def test_its_rows_versions_rejects_and_watermarks_land(refresh, source):
    report, warehouse = refresh()
    assert [(each.created, each.error) for each in report.enterprises] == [(1, None), (1, None)]
    rows = query(warehouse, "SELECT * EXCLUDE (updated_utc, fetched_utc) FROM mews.payments ORDER BY id")
    amount, day = Decimal("0.1000"), date(2026, 11, 1)
    taxes, extra = '[{"Code": "A", "Value": 0.01}]', '{"Amount":{"NetValue":0.09},"Data":{"Discriminator":"Product"}}'
    assert rows[0] == ("i1", "h1", None, amount, "EUR", taxes, ["breakfast", "late"], 2, "p1", day, extra, False)
    progress = "SELECT scope_id, enterprise_id, watermark_utc FROM mews.sync_state WHERE endpoint = 'payments'"
    watermarks = {scope: watermark.replace(tzinfo=UTC) for scope, _, watermark in query(warehouse, progress)}
    assert watermarks.keys() == {"h1", "h2"}
    assert all(abs(each - datetime.now(UTC)) < timedelta(minutes=5) for each in watermarks.values())

    later = f"{datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
    source.items[0] = item("i1", UpdatedUtc=later, Amount={"GrossValue": 12345678901234.5678})
    source.items[0]["Amount"]["GrossValue"] = -0.3
    source.items += [item("i3", Amount=None, UpdatedUtc=later), item("i4", UnitCount="two", UpdatedUtc=later)]
    source.requests.clear()
    report, warehouse = refresh()
    assert [(each.created, each.changed, each.error) for each in report.enterprises] == [(0, 1, None), (0, 0, None)]
    assert [request["EnterpriseIds"] for request in source.requests] == [["h1", "h2"]], "both are read together"
    assert source.requests[0].keys() >= {"UpdatedUtc"}, "no history is read again"
    assert query(warehouse, "SELECT gross_value, tags FROM mews.payments WHERE id = 'i1'") == [
        (Decimal("-0.3000"), ["breakfast", "late"])
    ]
    versions = query(warehouse, "SELECT id, gross_value FROM mews.payment_versions ORDER BY id, updated_utc")
    assert versions == [("i1", Decimal("0.1000")), ("i1", Decimal("-0.3000")), ("i2", Decimal("0.1000"))]
    rejects = query(warehouse, "SELECT operation, enterprise_id, reason FROM mews.rejected_records ORDER BY reason")
    assert [(operation, hotel) for operation, hotel, _ in rejects] == [("payments/getAll", "h1")] * 2
    assert [reason.split(":")[0] for *_, reason in rejects] == ["Amount.GrossValue is missing", "UnitCount"]
    assert refresh()[0].enterprises[0].changed == 0, "the same page again changes nothing"


def test_two_full_reads_without_a_record_mark_it_missing(refresh, source):
    source.items += [item(f"more {number}") for number in range(4)]
    refresh()
    del source.items[0]
    for marked in (0, 1):
        report, warehouse = refresh(is_full=True)
        assert report.enterprises[0].reconciled.marked == marked
    assert query(warehouse, "SELECT id FROM mews.payments WHERE is_missing_from_source") == [("i1",)]


def test_its_checks_find_what_is_undocumented_missing_and_stored_twice(refresh, source):
    source.items.append(item("i3", Amount={"GrossValue": 1, "Currency": "Doubloon"}, Data={}))
    source.items += [item("i4", Amount={"GrossValue": 1, "Currency": None}, Data={}), item("i5", UnitCount=None)]
    _, warehouse = refresh()
    with warehouse.open() as connection:
        ids, documented = evaluate_landed(connection, endpoints=[PAYMENTS])
        assert (ids.rule.name, ids.checked, ids.violations) == ("ids_are_unique", 4, 0)
        assert [(each.partition_key, each.violations, each.checked, each.detail) for each in documented.found_in] == [
            ("one-h1", 2, 3, "currency Doubloon: 1, field Amount: 1, field Data: 1"),
            ("two-h2", 1, 1, "field Amount: 1, field Data: 1"),
        ]
        assert evaluate_landed(connection, endpoints=[PAYMENTS]) == [], "nothing changed"
        assert [each.records for each in read_rejections(connection, PAYMENTS)] == [1]
        assert find_held_back(connection, REGISTRY) == {}

        connection.execute("INSERT INTO mews.payments FROM mews.payments WHERE id = 'i3'")
        connection.execute("UPDATE mews.payments SET unit_count = NULL WHERE id = 'i4'")
        connection.execute("UPDATE mews.sync_state SET revision = revision + 1 WHERE scope_id = 'h1'")
        ids, documented = evaluate_landed(connection, endpoints=[PAYMENTS])
        assert (ids.counted_now, ids.violations) == (1, 2)
        assert "unit count null: 1" in str(documented.found_in[0].detail)
        held_back = {"h1": "ids_are_unique: 2 of 4 payments (for example i3)"}
        assert find_held_back(connection, REGISTRY) == held_back
    source.items[-1] = item("i5", UpdatedUtc=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    refresh()
    with warehouse.open() as connection:
        assert read_rejections(connection, PAYMENTS) == [], "it could be read later"


def test_its_checks_are_in_dagster():
    found = records_checks(PAYMENTS)
    names = {"ids_are_unique", "values_and_fields_are_documented", "records_are_readable"}
    assert {key.name for key in found.check_keys} == names
    assert {key.asset_key.to_user_string() for key in found.check_keys} == {"payments"}


def test_the_jobs_read_and_report_it_with_no_other_edit(source, tmp_path, monkeypatch):
    monkeypatch.setenv("MEWS_CLIENT_TOKEN", "client")
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "access")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with ScriptedServer(source) as server:
        monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", server.address)
        command = [sys.executable, "-m", "pso_pipeline_tests.ingestion.new_endpoint", "refresh", "full_resync"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["reported"] == [["one-h1", "two-h2"], []]
    assert "Kept fresh by the job `refresh`" in found["description"]
    whole = [request["EnterpriseIds"] for request in source.requests if "UpdatedUtc" not in request]
    assert sorted(whole) == [["h1"], ["h1"], ["h2"], ["h2"]], "each job reads all history of each hotel"
    with Warehouse("data/warehouse.duckdb", endpoints=REGISTRY).open() as connection:
        assert connection.execute("SELECT id FROM mews.payments ORDER BY id").fetchall() == [("i1",), ("i2",)]


def test_a_hotel_that_fails_in_one_endpoint_fails_and_orders_alone_are_counted():
    orders = [EnterpriseOutcome(hotel, hotel, None, 2, 1, None) for hotel in ("h1", "h2")]
    items = [
        EnterpriseOutcome("h1", "h1", None, 50, 0, "payments/getAll: the server failed"),
        EnterpriseOutcome("h2", "h2", None, 50, 0, None),
    ]
    report = combine_reports(
        [SyncReport(tuple(orders), 1, {"a": 1}, ("one",)), SyncReport(tuple(items), 2, {"a": 1, "b": 3}, ("two",))]
    )
    assert report.enterprises == (replace(orders[0], error=items[0].error), orders[1])
    assert (report.rejected, report.requests, report.notices) == (3, {"a": 2, "b": 3}, ("one", "two"))


def test_a_change_of_its_columns_changes_the_tables_and_the_frame_with_no_other_edit(refresh, source):
    _, warehouse = refresh()
    longer = replace(
        PAYMENTS, columns=(*PAYMENTS.columns, Column("net_value", "DECIMAL(18,4)", "Net.", "Amount.NetValue"))
    )
    source.items[1] = item("i2", "h2", UpdatedUtc=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    refresh(longer)
    assert query(warehouse, "SELECT id, net_value FROM mews.payment_versions ORDER BY ALL") == [
        ("i1", None),
        ("i2", Decimal("0.0900")),
        ("i2", None),
    ]
    documented = warehouse_tables((*ENDPOINTS, longer))
    assert "net_value" in next(table for table in documented if table.name == "payments").column_names


def test_fetching_returns_a_data_frame_with_the_documented_dtypes(refresh, source):
    async def fetch():
        async with open_api(Settings.load()) as api:
            return await fetch_records(api.client, Token("access"), PAYMENTS, {"EnterpriseIds": ["h1", "h2"]})

    frame = asyncio.run(fetch())
    assert list(frame["id"]) == ["i1", "i2"]
    assert frame["gross_value"].sum() == Decimal("0.2000")
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "id": "string[pyarrow]",
        "enterprise_id": "string[pyarrow]",
        "notes": "string[pyarrow]",
        "gross_value": "decimal128(18, 4)[pyarrow]",
        "currency": "string[pyarrow]",
        "tax_values": "string[pyarrow]",
        "tags": "list<item: string>[pyarrow]",
        "unit_count": "int64[pyarrow]",
        "product_id": "string[pyarrow]",
        "consumed_day": "date32[day][pyarrow]",
        "updated_utc": "timestamp[us][pyarrow]",
        "extra": "string[pyarrow]",
    }
