"""The rows that should have landed, computed from the API's own records without any code of the package."""

import json
from datetime import datetime
from decimal import Decimal

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


ITEM_FIELDS = {
    "id": "Id",
    "enterprise_id": "EnterpriseId",
    "service_id": "ServiceId",
    "service_order_id": "ServiceOrderId",
    "account_id": "AccountId",
    "account_type": "AccountType",
    "bill_id": "BillId",
    "accounting_category_id": "AccountingCategoryId",
    "notes": "Notes",
    "billing_name": "BillingName",
    "external_identifier": "ExternalIdentifier",
    "unit_count": "UnitCount",
    "currency": "Amount.Currency",
    "unit_net_value": "UnitAmount.NetValue",
    "unit_gross_value": "UnitAmount.GrossValue",
    "net_value": "Amount.NetValue",
    "gross_value": "Amount.GrossValue",
    "original_net_value": "OriginalAmount.NetValue",
    "original_gross_value": "OriginalAmount.GrossValue",
    "original_currency": "OriginalAmount.Currency",
    "revenue_type": "RevenueType",
    "creator_profile_id": "CreatorProfileId",
    "updater_profile_id": "UpdaterProfileId",
    "created_utc": "CreatedUtc",
    "updated_utc": "UpdatedUtc",
    "consumed_utc": "ConsumedUtc",
    "canceled_utc": "CanceledUtc",
    "closed_utc": "ClosedUtc",
    "start_utc": "StartUtc",
    "claimed_utc": "ClaimedUtc",
    "accounting_state": "AccountingState",
    "type": "Type",
    "canceled_with_reservation": "Options.CanceledWithReservation",
    "data_kind": "Data.Discriminator",
    "product_id": "Data.Product.ProductId",
    "age_category_id": "Data.Product.AgeCategoryId",
    "product_type": "Data.Product.ProductType",
    "rebate_product_id": "Data.Rebate.ProductId",
    "rebated_item_id": "Data.Rebate.RebatedItemId",
    "tax_exemption_reason": "TaxExemptionReason",
    "tax_exemption_legal_reference": "TaxExemptionLegalReference",
}
KEPT_TYPES = {
    "ProductOrder",
    "CustomItem",
    "ProductOrderRebate",
    "AdditionalExpenseRebate",
    "CancellationFee",
    "ServiceCharge",
}
LEFT_OUT_TYPES = {"SpaceOrder", "CityTax"}


def expected_items(items):
    """Rows as dicts by id, from `OrderItems` of the API, without those of types that are left out."""
    assert {item["Type"] for item in items} <= KEPT_TYPES | LEFT_OUT_TYPES
    return {item["Id"]: _item_row(item) for item in items if item["Type"] in KEPT_TYPES}


def landed_items(connection):
    """The present items of the warehouse as dicts by id, in the same form."""
    found = connection.execute(
        "SELECT * EXCLUDE (is_missing_from_source, fetched_utc) FROM mews.order_items WHERE NOT is_missing_from_source"
    )
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert len({row["id"] for row in rows}) == len(rows), "an item landed twice"
    return {row["id"]: row | {"extra": row["extra"] and json.loads(row["extra"])} for row in rows}


def _item_row(item):
    row = {}
    rest = json.loads(json.dumps(item))
    for column, path in ITEM_FIELDS.items():
        *outer, name = path.split(".")
        members = rest
        for part in outer:
            members = (members or {}).get(part)
        value = (members or {}).pop(name, None)
        if column.endswith("_utc") and value is not None:
            value = datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007  # the warehouse keeps UTC without a zone
        if column.endswith("_value"):
            value = Decimal(str(value))
        row[column] = value
    return row | {"extra": _without_nothing(rest)}


def _without_nothing(members):
    """What is left of an object, without what is empty or null; None where nothing is."""
    left = {
        name: _without_nothing(value) if isinstance(value, dict) else value
        for name, value in members.items()
        if value is not None
    }
    return {name: value for name, value in left.items() if value is not None} or None


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
