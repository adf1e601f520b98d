"""The rows that should have landed, computed from the API's own records without any code of the package."""

import json
from datetime import datetime

FIELDS = {
    "id": "Id",
    "service_id": "ServiceId",
    "account_id": "AccountId",
    "account_type": "AccountType",
    "creator_profile_id": "CreatorProfileId",
    "updater_profile_id": "UpdaterProfileId",
    "booker_id": "BookerId",
    "number": "Number",
    "state": "State",
    "origin": "Origin",
    "commander_origin": "CommanderOrigin",
    "origin_details": "OriginDetails",
    "created_utc": "CreatedUtc",
    "updated_utc": "UpdatedUtc",
    "cancelled_utc": "CancelledUtc",
    "voucher_id": "VoucherId",
    "business_segment_id": "BusinessSegmentId",
    "linked_reservation_id": "LinkedReservationId",
}
OPTIONS = {
    "owner_checked_in": "OwnerCheckedIn",
    "all_companions_checked_in": "AllCompanionsCheckedIn",
    "any_companion_checked_in": "AnyCompanionCheckedIn",
    "connector_check_in": "ConnectorCheckIn",
}


def expected_rows(orders, services):
    """Rows as dicts by id, from `ProductServiceOrders` and `Services` of the API."""
    enterprise_of = {service["Id"]: service["EnterpriseId"] for service in services}
    return {order["Id"]: _row(order, enterprise_of) for order in orders}


def landed_rows(connection):
    """The present orders of the warehouse as dicts by id, in the same form."""
    found = connection.execute(
        "SELECT * EXCLUDE (is_missing_from_source, fetched_utc) FROM mews.product_service_orders"
        " WHERE NOT is_missing_from_source"
    )
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert len({row["id"] for row in rows}) == len(rows), "an order landed twice"
    return {row["id"]: row | {"extra": row["extra"] and json.loads(row["extra"])} for row in rows}


def _row(order, enterprise_of):
    row = {column: order.get(field) for column, field in FIELDS.items()}
    row |= {column: (order.get("Options") or {}).get(field) for column, field in OPTIONS.items()}
    for column in ("created_utc", "updated_utc", "cancelled_utc"):
        row[column] = row[column] and datetime.strptime(row[column], "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007  # the warehouse keeps UTC without a zone
    extra = {key: value for key, value in order.items() if key not in FIELDS.values() and key != "Options"}
    inner = {key: value for key, value in (order.get("Options") or {}).items() if key not in OPTIONS.values()}
    if inner:
        extra["Options"] = inner
    return row | {"enterprise_id": enterprise_of.get(order["ServiceId"]), "extra": extra or None}
