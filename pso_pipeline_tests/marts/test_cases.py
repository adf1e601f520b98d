"""Rows in, rows out: each case of `cases/*.yaml` lands its rows, derives, and compares whole tables.

A case names only the columns that matter. `given` fills in one hotel in UTC with one service read up to
2024-07-01T00:00:00Z, and for each order an id, an account of its own and state Confirmed. `then` lists all rows of a
table; the columns that its rows name are compared. `earlier_versions` are versions of the orders seen before,
`all_companions_environments` those where online check-in takes all companions.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pso_pipeline.warehouse.accounts import choose_account_ids
from pso_pipeline.warehouse.marts.derive import derive
from pso_pipeline_tests.marts.rows import insert, read

CASES = [
    pytest.param(case, id=f"{path.stem}: {case['case']}")
    for path in sorted(Path(__file__).with_name("cases").glob("*.yaml"))
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))
]

HOTEL = {"id": "hotel", "name": "Hotel", "partition_key": "hotel", "time_zone_identifier": "UTC", "is_in_scope": True}
SERVICE = {"id": "spa", "enterprise_id": "hotel", "name": "Spa", "kind": "Additional", "is_active": True}
PROGRESS = {"service_id": "spa", "enterprise_id": "hotel", "watermark_utc": "2024-07-01T00:00:00Z", "revision": 1}
ORDER = {
    "enterprise_id": "hotel",
    "service_id": "spa",
    "account_type": "Customer",
    "state": "Confirmed",
    "origin": "Commander",
    "created_utc": "2024-01-10T12:00:00Z",
    "updated_utc": "2024-01-10T12:00:00Z",
    "fetched_utc": "2024-02-01T00:00:00Z",
    "is_missing_from_source": False,
}
VERSION = {**ORDER, "observed_utc": "2024-01-15T00:00:00Z"}


def order(default: dict[str, Any], position: int, given: dict[str, Any]) -> dict[str, Any]:
    identifier = given.get("id", f"order {position}")
    return {"id": identifier, "account_id": f"account of {identifier}", **default, **given}


def plain(value: Any) -> Any:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


@pytest.mark.parametrize("case", CASES)
def test_case(connection, case):
    given = case["given"]
    insert(connection, "enterprises", [{**HOTEL, **each} for each in given.get("enterprises", [{}])])
    insert(connection, "services", [{**SERVICE, **each} for each in given.get("services", [{}])])
    insert(connection, "sync_state", [{**PROGRESS, **each} for each in given.get("sync_state", [{}])])
    orders = [order(ORDER, position, each) for position, each in enumerate(given.get("orders", []), 1)]
    insert(connection, "product_service_orders", orders)
    versions = [order(VERSION, position, each) for position, each in enumerate(given.get("earlier_versions", []), 1)]
    insert(connection, "superseded_product_service_orders", versions)

    choose_account_ids(connection, is_plain=True)
    derive(connection, all_companions_environments=case.get("all_companions_environments", ()))

    for table, expected in case["then"].items():
        columns = list(expected[0]) if expected else None
        assert all(list(row) == columns for row in expected), f"the rows of {table} must name the same columns"
        assert read(connection, table, columns) == sorted(
            (tuple(plain(value) for value in row.values()) for row in expected), key=repr
        ), table
