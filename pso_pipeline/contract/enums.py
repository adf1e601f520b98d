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

CURRENCIES = tuple(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
    CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP
    GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD
    KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK
    NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD
    SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD
    XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - 180 codes in few lines
)
"""The currencies of ISO 4217."""

BOOKABLE = "Bookable"
ADDITIONAL = "Additional"
