"""The values that the Connector API documents for its enumerations.

They are open: new values appear several times a year, land as text, and are reported by a check. So nothing here
is used to reject a record; requests, marts and checks use the sets.
"""

INQUIRED = "Inquired"
OPTIONAL = "Optional"
REQUESTED = "Requested"
CONFIRMED = "Confirmed"
STARTED = "Started"
PROCESSED = "Processed"
CANCELED = "Canceled"

PENDING_STATES = (INQUIRED, OPTIONAL, REQUESTED)
CHECKED_IN_STATES = (STARTED, PROCESSED)
FIRM_STATES = (CONFIRMED, *CHECKED_IN_STATES, CANCELED)
STATES = (*PENDING_STATES, *FIRM_STATES)

ORIGINS = ("Distributor", "ChannelManager", "Commander", "Import", "Connector", "Navigator")
ORIGIN_NAMES = {
    "Distributor": "Booking engine",
    "ChannelManager": "Channel manager",
    "Commander": "Front desk",
    "Import": "Import",
    "Connector": "Integration",
    "Navigator": "Guest portal",
}
"""What people call an origin; data have the API's own names."""

COMMANDER_ORIGINS = (
    "InPerson",
    "Channel",
    "Phone",
    "Email",
    "Website",
    "Message",
    "CallCenter",
    "RoomingList",
)
ACCOUNT_TYPES = ("Customer", "Company")

PRODUCT_ORDER = "ProductOrder"
CUSTOM_ITEM = "CustomItem"
PRODUCT_ORDER_REBATE = "ProductOrderRebate"
ADDITIONAL_EXPENSE_REBATE = "AdditionalExpenseRebate"
CANCELLATION_FEE = "CancellationFee"
SERVICE_CHARGE = "ServiceCharge"

SOLD_ITEM_TYPES = (
    PRODUCT_ORDER,
    CUSTOM_ITEM,
    PRODUCT_ORDER_REBATE,
    ADDITIONAL_EXPENSE_REBATE,
    CANCELLATION_FEE,
    SERVICE_CHARGE,
)
"""Types of items that are sold by the services, not nights, taxes and deposits."""

OTHER_ITEM_TYPES = (
    "SpaceOrder",
    "NightRebate",
    "CityTax",
    "CityTaxDiscount",
    "Deposit",
    "Surcharge",
    "TaxCorrection",
    "ExchangeRateDifference",
    "ResourceUpgradeFee",
    "InvoiceFee",
    "MulticurrencyFee",
    "AllowanceDiscount",
    "AllowanceBreakage",
    "AllowanceContraBreakage",
)
ITEM_TYPES = (*SOLD_ITEM_TYPES, *OTHER_ITEM_TYPES)

SALE_TYPES = (PRODUCT_ORDER, CUSTOM_ITEM, SERVICE_CHARGE, "SpaceOrder", "Surcharge", "ResourceUpgradeFee")
REBATE_TYPES = (PRODUCT_ORDER_REBATE, ADDITIONAL_EXPENSE_REBATE, "NightRebate")

ITEM_DATA_KINDS = ("Product", "Rebate", "AllowanceDiscount", "AllowanceProfits")
REVENUE_TYPES = ("Service", "Product", "Additional")
ACCOUNTING_STATES = ("Open", "Closed", "Inactive", "Canceled")
CHARGING_MODES = ("Once", "PerTimeUnit", "PerPersonPerTimeUnit", "PerPerson")

BOOKABLE = "Bookable"
ADDITIONAL = "Additional"
