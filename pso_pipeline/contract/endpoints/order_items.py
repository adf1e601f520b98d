"""The operation `orderItems/getAll`: what was ordered, how many, for how much and for when.

Items of product service orders and of reservations. Which types of them are kept is decided when they land.
"""

from pso_pipeline.contract.columns import Column
from pso_pipeline.contract.endpoints.endpoint import Endpoint, Filter
from pso_pipeline.contract.enums import (
    ACCOUNT_TYPES,
    ACCOUNTING_STATES,
    ITEM_DATA_KINDS,
    ITEM_TYPES,
    REVENUE_TYPES,
    SOLD_ITEM_TYPES,
)

MAX_ACCOUNT_IDS = 100

ORDER_ITEMS = Endpoint(
    name="order_items",
    operation="orderItems/getAll",
    response_key="OrderItems",
    record_name="order item",
    description=(
        "Items of orders and of reservations: what was ordered, how many, for how much and for when, one row each in "
        "its latest version."
    ),
    scope="enterprise",
    scope_filter="EnterpriseIds",
    scope_path="EnterpriseId",
    one_of=(
        "OrderItemIds",
        "ServiceOrderIds",
        "ServiceIds",
        "BillIds",
        "AccountIds",
        "CreatedUtc",
        "UpdatedUtc",
        "ConsumedUtc",
        "CanceledUtc",
        "ClosedUtc",
    ),
    service_filter="ServiceIds",
    unmapped=(
        "UnitAmount.Currency",
        "UnitAmount.TaxValues",
        "UnitAmount.Breakdown",
        "Amount.TaxValues",
        "Amount.Breakdown",
        "OriginalAmount.TaxValues",
        "OriginalAmount.Breakdown",
    ),
    kind_column="type",
    kept_kinds=SOLD_ITEM_TYPES,
    is_optional=True,
    filters=(
        Filter("EnterpriseIds"),
        Filter("OrderItemIds"),
        Filter("ServiceOrderIds"),
        Filter("ServiceIds"),
        Filter("BillIds"),
        Filter("AccountIds", limit=MAX_ACCOUNT_IDS),
        Filter("CreatedUtc", "interval"),
        Filter("UpdatedUtc", "interval"),
        Filter("ConsumedUtc", "interval"),
        Filter("CanceledUtc", "interval"),
        Filter("ClosedUtc", "interval"),
        Filter("Currency", "text"),
        Filter("AccountingStates", "texts"),
        Filter("Types", "texts"),
    ),
    columns=(
        Column("id", "VARCHAR", "Unique identifier of the item.", "Id", required=True),
        Column("enterprise_id", "VARCHAR", "Hotel that it belongs to.", "EnterpriseId", required=True),
        Column("service_id", "VARCHAR", "Service that it is an item of.", "ServiceId", is_promised=True),
        Column(
            "service_order_id",
            "VARCHAR",
            "Product service order or reservation that it is an item of.",
            "ServiceOrderId",
            is_promised=True,
        ),
        Column("account_id", "VARCHAR", "Customer or company that is charged.", "AccountId", is_personal=True),
        Column("account_type", "VARCHAR", "Customer or Company.", "AccountType", values=ACCOUNT_TYPES),
        Column("bill_id", "VARCHAR", "Bill that it is on.", "BillId"),
        Column("accounting_category_id", "VARCHAR", "Accounting category of the item.", "AccountingCategoryId"),
        Column("notes", "VARCHAR", "Free text of the item.", "Notes", is_personal=True),
        Column("billing_name", "VARCHAR", "What the bill calls it.", "BillingName", is_personal=True),
        Column(
            "external_identifier",
            "VARCHAR",
            "Identifier of the item in another system.",
            "ExternalIdentifier",
            is_personal=True,
        ),
        Column("unit_count", "BIGINT", "How many units.", "UnitCount", required=True),
        Column(
            "currency", "VARCHAR", "Currency of the amounts, as ISO 4217 names it.", "Amount.Currency", required=True
        ),
        Column("unit_net_value", "DECIMAL(18,4)", "Price of a unit without tax.", "UnitAmount.NetValue", required=True),
        Column(
            "unit_gross_value", "DECIMAL(18,4)", "Price of a unit with tax.", "UnitAmount.GrossValue", required=True
        ),
        Column(
            "net_value",
            "DECIMAL(18,4)",
            "Amount without tax; a negative one is a rebate or a payment.",
            "Amount.NetValue",
            required=True,
        ),
        Column(
            "gross_value",
            "DECIMAL(18,4)",
            "Amount with tax; a negative one is a rebate or a payment.",
            "Amount.GrossValue",
            required=True,
        ),
        Column(
            "original_net_value",
            "DECIMAL(18,4)",
            "Amount without tax before later changes, in its own currency.",
            "OriginalAmount.NetValue",
            is_promised=True,
        ),
        Column(
            "original_gross_value",
            "DECIMAL(18,4)",
            "Amount with tax before later changes, in its own currency.",
            "OriginalAmount.GrossValue",
            is_promised=True,
        ),
        Column(
            "original_currency",
            "VARCHAR",
            "Currency of the original amounts.",
            "OriginalAmount.Currency",
            is_promised=True,
        ),
        Column(
            "revenue_type",
            "VARCHAR",
            "Service, Product or Additional.",
            "RevenueType",
            is_promised=True,
            values=REVENUE_TYPES,
        ),
        Column("creator_profile_id", "VARCHAR", "User who created the item.", "CreatorProfileId", is_personal=True),
        Column("updater_profile_id", "VARCHAR", "User who updated the item.", "UpdaterProfileId", is_personal=True),
        Column("created_utc", "TIMESTAMP", "When the item was created.", "CreatedUtc", required=True),
        Column("updated_utc", "TIMESTAMP", "When the item was last updated.", "UpdatedUtc", required=True),
        Column(
            "consumed_utc",
            "TIMESTAMP",
            "When it is consumed; that can be in the future.",
            "ConsumedUtc",
            is_promised=True,
        ),
        Column("canceled_utc", "TIMESTAMP", "When the item was canceled.", "CanceledUtc"),
        Column("closed_utc", "TIMESTAMP", "When its bill was closed.", "ClosedUtc"),
        Column("start_utc", "TIMESTAMP", "When it begins, where it lasts.", "StartUtc"),
        Column("claimed_utc", "TIMESTAMP", "When it was claimed.", "ClaimedUtc"),
        Column(
            "accounting_state",
            "VARCHAR",
            "Open, Closed, Inactive or Canceled; Inactive is of no value yet.",
            "AccountingState",
            is_promised=True,
            values=ACCOUNTING_STATES,
        ),
        Column(
            "type",
            "VARCHAR",
            "What kind of item it is, as the API names it; new types may appear.",
            "Type",
            is_promised=True,
            values=ITEM_TYPES,
        ),
        Column(
            "canceled_with_reservation",
            "BOOLEAN",
            "Whether it is canceled together with its reservation.",
            "Options.CanceledWithReservation",
        ),
        Column(
            "data_kind",
            "VARCHAR",
            "Which data the item has: Product, Rebate and others.",
            "Data.Discriminator",
            values=ITEM_DATA_KINDS,
        ),
        Column("product_id", "VARCHAR", "Product that was sold.", "Data.Product.ProductId"),
        Column(
            "age_category_id", "VARCHAR", "Age category that the product was sold for.", "Data.Product.AgeCategoryId"
        ),
        Column("product_type", "VARCHAR", "Type of the product.", "Data.Product.ProductType"),
        Column("rebate_product_id", "VARCHAR", "Product that the rebate is on.", "Data.Rebate.ProductId"),
        Column("rebated_item_id", "VARCHAR", "Item that the rebate is on.", "Data.Rebate.RebatedItemId"),
        Column("tax_exemption_reason", "VARCHAR", "Why it is exempt from tax.", "TaxExemptionReason"),
        Column(
            "tax_exemption_legal_reference",
            "VARCHAR",
            "Legal reference of the exemption from tax.",
            "TaxExemptionLegalReference",
        ),
    ),
)
