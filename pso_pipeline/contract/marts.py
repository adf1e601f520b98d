"""The tables of schema `mart`: what BI tools, the report and the documentation read.

Add a column here and to its `.sql` file in `warehouse/marts`. Names and order that interface documents promise do not
change; additions go to the end. Rates are in `metrics.yml`, never here.
"""

from dataclasses import replace

from pso_pipeline.contract.columns import Column, Table
from pso_pipeline.contract.warehouse import REFRESHES

SCHEMA_VERSION = 4
"""Version of the published tables; goes up with each change of a name, a type or the meaning of a column."""

_ENTERPRISE_ID = Column("enterprise_id", "VARCHAR", "Hotel; joins to dim_enterprises.")
_SERVICE_ID = Column("service_id", "VARCHAR", "Service that was ordered; joins to dim_services.")
_ORDER_ID = Column("order_id", "VARCHAR", "Unique identifier of the order in Mews.")

DIM_ENTERPRISES = Table(
    schema="mart",
    name="dim_enterprises",
    description="Hotels, with the instant up to which their orders are known. One row for each hotel.",
    key=("enterprise_id",),
    columns=(
        Column("enterprise_id", "VARCHAR", "Unique identifier of the hotel in Mews."),
        Column("enterprise_name", "VARCHAR", "Name of the hotel."),
        Column("partition_key", "VARCHAR", "Readable, permanent name of its partition in Dagster."),
        Column(
            "time_zone",
            "VARCHAR",
            "IANA time zone in which its dates are counted; UTC where its own is missing or unknown, as a check says.",
        ),
        Column("chain_name", "VARCHAR", "Name of the chain it belongs to."),
        Column("country_code", "VARCHAR", "Country of its address."),
        Column("city", "VARCHAR", "City of its address."),
        Column("is_in_scope", "BOOLEAN", "False once no access token sees the hotel any more; its history remains."),
        Column(
            "accommodation_environment_code",
            "VARCHAR",
            "Accommodation environment that Mews names; it decides who must check in online.",
        ),
        Column(
            "as_of_utc",
            "TIMESTAMP",
            "Every change up to here is in the figures of this hotel (UTC); the earliest watermark of its services, "
            "null as long as one of them was never read to its end.",
        ),
        Column(
            "as_of_date",
            "DATE",
            "Last day that was over at as_of_utc, in the hotel's time zone; maturity is measured from its end.",
        ),
        Column(
            "is_held_back",
            "BOOLEAN",
            "Whether a check keeps the newest figures of the hotel back; those shown are its last good ones, as of "
            "as_of_utc, or none where that is null.",
        ),
        Column("held_back_reason", "VARCHAR", "What the check found; null where nothing is kept back."),
        Column(
            "items_as_of_utc",
            "TIMESTAMP",
            "Every change of order items up to here is in the figures of this hotel (UTC); null where its items are "
            "not read, or were never read to their end.",
        ),
    ),
)

DIM_SERVICES = Table(
    schema="mart",
    name="dim_services",
    description="Services that the hotels sell, such as breakfast, parking or spa. One row for each service.",
    key=("service_id",),
    columns=(
        Column("service_id", "VARCHAR", "Unique identifier of the service in Mews."),
        Column("enterprise_id", "VARCHAR", "Hotel that sells it; joins to dim_enterprises."),
        Column("service_name", "VARCHAR", "Name of the service."),
        Column(
            "service_kind",
            "VARCHAR",
            "Additional (orders are made against it) or Bookable (reservations are).",
        ),
        Column("is_active", "BOOLEAN", "Whether it can be ordered now; its older orders remain."),
    ),
)

DIM_PRODUCTS = Table(
    schema="mart",
    name="dim_products",
    description="Products that the services sell, such as a breakfast or a massage. One row for each product.",
    key=("product_id",),
    columns=(
        Column("product_id", "VARCHAR", "Unique identifier of the product in Mews."),
        _ENTERPRISE_ID,
        Column("service_id", "VARCHAR", "Service that sells it; joins to dim_services."),
        Column("product_name", "VARCHAR", "Name of the product in the hotel's language, where it has one."),
        Column(
            "classification",
            "VARCHAR",
            "What it is: Food, Beverage, Wellness, CityTax or Fee; several in the order of the alphabet, with commas.",
        ),
        Column("charging_mode", "VARCHAR", "How often it is charged, as the API names it."),
        Column("is_active", "BOOLEAN", "Whether it can be ordered now; its older items remain."),
    ),
)

DIM_DATES = Table(
    schema="mart",
    name="dim_dates",
    description="Calendar without gaps, from the first to the last date used. One row for each date.",
    key=("date",),
    columns=(
        Column("date", "DATE", "The day."),
        Column("year", "INTEGER", "Calendar year."),
        Column("quarter", "INTEGER", "Quarter of the year, 1 to 4."),
        Column("month", "INTEGER", "Month of the year, 1 to 12."),
        Column("month_start", "DATE", "First day of its month."),
        Column("iso_week", "INTEGER", "ISO 8601 week of the year, 1 to 53."),
        Column("iso_week_start", "DATE", "Monday of its ISO 8601 week."),
        Column("weekday", "INTEGER", "ISO 8601 day of the week, 1 (Monday) to 7 (Sunday)."),
        Column("weekday_name", "VARCHAR", "Day of the week in English."),
        Column("is_weekend", "BOOLEAN", "Whether it is a Saturday or a Sunday."),
    ),
)

FCT_PRODUCT_SERVICE_ORDERS = Table(
    schema="mart",
    name="fct_product_service_orders",
    description="Every product service order with what became of it. One row for each order that the source still has.",
    key=("order_id",),
    columns=(
        _ORDER_ID,
        Column("order_number", "VARCHAR", "Confirmation number of the order."),
        _ENTERPRISE_ID,
        _SERVICE_ID,
        Column(
            "account_id",
            "VARCHAR",
            "Customer or company who owns the order, as a keyed hash of its id: the same for all its orders "
            "(PSO_KEEP_PERSONAL_DATA=plain: the id). Null for an account that was forgotten.",
        ),
        Column("account_type", "VARCHAR", "Segment of the order: Customer or Company; null where the API gave none."),
        Column("state", "VARCHAR", "State as the API names it; new ones may appear."),
        Column("state_group", "VARCHAR", "State in short: pending, confirmed, checked_in, canceled or unknown."),
        Column("origin", "VARCHAR", "Where the order came from; null where the API gave none."),
        Column("commander_origin", "VARCHAR", "How staff took the order, where staff did."),
        Column("business_segment_id", "VARCHAR", "Business segment of the order in Mews."),
        Column("voucher_id", "VARCHAR", "Voucher that was used to create the order."),
        Column(
            "linked_reservation_id", "VARCHAR", "Reservation that the order is linked to; Mews may have predicted it."
        ),
        Column("created_at", "TIMESTAMP", "When the order was created (UTC)."),
        Column("updated_at", "TIMESTAMP", "When the order was last updated (UTC); not the time of check-in."),
        Column(
            "canceled_at",
            "TIMESTAMP",
            "When the order was canceled (UTC); null unless it is canceled now, also where a cancellation was undone.",
        ),
        Column("created_date", "DATE", "Day on which the order was created, in the hotel's time zone."),
        Column(
            "canceled_date",
            "DATE",
            "Day on which the order was canceled, in the hotel's time zone; null where canceled_at is.",
        ),
        Column("hours_to_cancel", "DOUBLE", "Hours from creation to cancellation; null where canceled_at is."),
        Column(
            "first_seen_checked_in_at",
            "TIMESTAMP",
            "When this pipeline first saw the order Started or Processed (UTC), so at most one refresh after that; "
            "null where it never did, or where the first observation already showed it; what was undone keeps it.",
        ),
        Column("is_firm", "BOOLEAN", "Whether the order is Confirmed, Started, Processed or Canceled."),
        Column("is_checked_in", "BOOLEAN", "Whether the guest was served: Started or Processed."),
        Column("is_canceled", "BOOLEAN", "Whether the order is Canceled now."),
        Column("is_open", "BOOLEAN", "Whether it can still go either way: pending or Confirmed."),
        Column(
            "is_unresolved",
            "BOOLEAN",
            "Whether it is still Confirmed a day after its consumed_at, or 60 days after its creation where that is "
            "null, at the end of the hotel's as_of_date: nobody served or canceled it.",
        ),
        Column(
            "is_online_checked_in",
            "BOOLEAN",
            "Whether its guests checked in online: all companions where the hotel's accommodation environment requires "
            "it, elsewhere the owner or any companion. Whether they were served is is_checked_in.",
        ),
        Column("owner_checked_in", "BOOLEAN", "Whether the owner has checked in online."),
        Column("any_companion_checked_in", "BOOLEAN", "Whether any companion has checked in online."),
        Column("all_companions_checked_in", "BOOLEAN", "Whether all companions have checked in online."),
        Column("connector_check_in", "BOOLEAN", "Whether the online check-in came through the API: a kiosk or an app."),
        Column("has_voucher", "BOOLEAN", "Whether a voucher was used."),
        Column("is_linked", "BOOLEAN", "Whether the order is linked to a reservation; Mews may have predicted it."),
        Column(
            "canceled_after_check_in",
            "BOOLEAN",
            "Whether it is canceled although the owner or any companion is marked as checked in online.",
        ),
        Column("is_quick_cancel", "BOOLEAN", "Whether it was canceled at most 1 hour after it was created."),
        Column(
            "is_rebooked",
            "BOOLEAN",
            "Whether it was canceled, and its account ordered the service within 1 hour before or after: an order "
            "that is not canceled, is not known to be another guest's, and excuses no other cancellation.",
        ),
        Column(
            "is_canceled_never_seen_confirmed",
            "BOOLEAN",
            "Whether it is canceled and no version that was observed was Confirmed, Started or Processed: it may have "
            "been an option that was released.",
        ),
        Column(
            "is_canceled_while_pending",
            "BOOLEAN",
            "Whether is_canceled_never_seen_confirmed, and it was observed to go from Inquired, Optional or Requested "
            "straight to Canceled.",
        ),
        Column(
            "gross_value",
            "DECIMAL(18,4)",
            "What the order is worth with tax: the sum of its sales, rebates and cancellation fees that are Open or "
            "Closed, in its currency. 0 where all of them are canceled; null where currency is.",
        ),
        Column(
            "currency",
            "VARCHAR",
            "Currency of the order's items, as ISO 4217 names it; null where they have several, or there are none.",
        ),
        Column(
            "consumed_at",
            "TIMESTAMP",
            "When the last of the order's sales is consumed (UTC), which can be in the future, also of one that is "
            "canceled; null where no item is known.",
        ),
        Column(
            "quantity",
            "BIGINT",
            "Units of the order's sales that are Open or Closed; null where has_items is not true.",
        ),
        Column(
            "has_items",
            "BOOLEAN",
            "Whether any item of the order is known; null where the hotel's items are not read.",
        ),
    ),
)

_ITEM_ID = Column("item_id", "VARCHAR", "Unique identifier of the item in Mews.")
_PRODUCT_ID = Column("product_id", "VARCHAR", "Product; joins to dim_products. Null for an item without one.")
_CURRENCY = Column(
    "currency", "VARCHAR", "Currency of the amounts, as ISO 4217 names it; amounts of two currencies never add up."
)

FCT_ORDER_ITEMS = Table(
    schema="mart",
    name="fct_order_items",
    description=(
        "Every item of an order or of a reservation: what was ordered, how many, for how much and for when. One row "
        "for each item that the source still has."
    ),
    key=("item_id",),
    columns=(
        _ITEM_ID,
        Column(
            "service_order_id",
            "VARCHAR",
            "Order or reservation that it is an item of, as order_link says; an order joins to "
            "fct_product_service_orders.",
        ),
        _ENTERPRISE_ID,
        Column("service_id", "VARCHAR", "Service that it is an item of; joins to dim_services."),
        _PRODUCT_ID,
        Column("product_name", "VARCHAR", "Name of the product; null where it is not known."),
        Column("classification", "VARCHAR", "What the product is, as in dim_products."),
        Column("item_type", "VARCHAR", "Type as the API names it; new ones may appear."),
        Column("revenue_type", "VARCHAR", "Service, Product or Additional."),
        Column(
            "item_kind",
            "VARCHAR",
            "What it counts as: sale, rebate, cancellation_fee, or other for taxes, deposits and unknown types.",
        ),
        Column("quantity", "BIGINT", "How many units."),
        Column("gross_value", "DECIMAL(18,4)", "Amount with tax; that of a rebate is negative."),
        Column("net_value", "DECIMAL(18,4)", "Amount without tax; that of a rebate is negative."),
        _CURRENCY,
        Column(
            "accounting_state",
            "VARCHAR",
            "Open, Closed, Inactive (of no value: not paid, or of an optional reservation) or Canceled.",
        ),
        Column("is_canceled", "BOOLEAN", "Whether it is Canceled now."),
        Column("is_counted", "BOOLEAN", "Whether its amount counts: it is Open or Closed."),
        Column("is_rebate", "BOOLEAN", "Whether it takes something off another item's price."),
        Column("is_cancellation_fee", "BOOLEAN", "Whether it is a fee for a cancellation."),
        Column(
            "consumed_at",
            "TIMESTAMP",
            "When it is consumed (UTC), which can be in the future; when it was created, where the API gave none.",
        ),
        Column("consumed_date", "DATE", "Day on which it is consumed, in the hotel's time zone."),
        Column("created_at", "TIMESTAMP", "When the item was created (UTC)."),
        Column("created_date", "DATE", "Day on which the item was created, in the hotel's time zone."),
        Column("canceled_at", "TIMESTAMP", "When the item was canceled (UTC); null unless it is canceled now."),
        Column(
            "canceled_date",
            "DATE",
            "Day on which the item was canceled, in the hotel's time zone; null where canceled_at is.",
        ),
        Column(
            "order_link",
            "VARCHAR",
            "with_order: its order is in fct_product_service_orders. with_reservation: it is sold by a service that is "
            "reserved. no_known_order: neither is known.",
        ),
    ),
)

FCT_ORDER_STATE_CHANGES = Table(
    schema="mart",
    name="fct_order_state_changes",
    description="Every change of an order's state that was observed. One row for each change or first sight.",
    key=("order_id", "changed_at", "observed_at"),
    columns=(
        _ORDER_ID,
        _ENTERPRISE_ID,
        _SERVICE_ID,
        Column("from_state", "VARCHAR", "State before the change; null at first sight."),
        Column("to_state", "VARCHAR", "State after the change."),
        Column(
            "changed_at",
            "TIMESTAMP",
            "When the version that shows the new state was last updated (UTC): the change came no later.",
        ),
        Column("changed_date", "DATE", "Day of changed_at, in the hotel's time zone."),
        Column("observed_at", "TIMESTAMP", "When the pipeline first saw that version (UTC)."),
        Column(
            "observed_date", "DATE", "Day of observed_at, in the hotel's time zone: the change is known from it on."
        ),
    ),
)


def _mature(days: int) -> tuple[Column, Column]:
    return (
        Column(
            f"mature_firm_orders_{days}d",
            "BIGINT",
            f"Firm orders that were at least {days} days old at the end of the hotel's as_of_date.",
        ),
        Column(
            f"canceled_within_{days}d",
            "BIGINT",
            f"Of mature_firm_orders_{days}d, those canceled at most {days} days after their creation.",
        ),
    )


AGG_ORDERS_DAILY = Table(
    schema="mart",
    name="agg_orders_daily",
    description=(
        "Counts of orders, check-ins and cancellations by day: the table that every rate is made from. One row for "
        "each hotel, service, origin, account type and day with any count; sums over any of them are right. All "
        "counts are by the day of creation, except cancellations."
    ),
    key=("enterprise_id", "service_id", "origin", "account_type", "date"),
    columns=(
        _ENTERPRISE_ID,
        _SERVICE_ID,
        Column("origin", "VARCHAR", "Where the orders came from; null where the API gave none."),
        Column("account_type", "VARCHAR", "Customer or Company; null where the API gave none."),
        Column("date", "DATE", "Day in the hotel's time zone; joins to dim_dates."),
        Column("orders_created", "BIGINT", "Orders created, in whatever state they are now."),
        Column("pending_orders", "BIGINT", "Of them Inquired, Optional or Requested."),
        Column("firm_orders", "BIGINT", "Of them Confirmed, Started, Processed or Canceled."),
        Column("confirmed_orders", "BIGINT", "Of them Confirmed."),
        Column("checked_in_orders", "BIGINT", "Of them Started or Processed: served."),
        Column("canceled_orders", "BIGINT", "Of them Canceled."),
        Column("resolved_orders", "BIGINT", "Of them Started, Processed or Canceled: nothing is left open."),
        Column("in_progress_orders", "BIGINT", "Of them Started."),
        Column("owner_checked_in_orders", "BIGINT", "Served orders whose owner has checked in online."),
        Column("any_companion_checked_in_orders", "BIGINT", "Served orders with any companion checked in online."),
        Column("all_companions_checked_in_orders", "BIGINT", "Served orders with all companions checked in online."),
        Column(
            "connector_checked_in_orders",
            "BIGINT",
            "Served orders whose online check-in came through the API: a kiosk or an app.",
        ),
        Column("online_checked_in_orders", "BIGINT", "Firm orders, not canceled, whose guests have checked in online."),
        Column(
            "unresolved_orders",
            "BIGINT",
            "Orders still Confirmed a day after their consumption, or 60 days after their creation where that is not "
            "known, at the end of the hotel's as_of_date.",
        ),
        Column("canceled_after_check_in_orders", "BIGINT", "Canceled orders that bear a mark of online check-in."),
        Column("quick_cancels", "BIGINT", "Orders canceled at most 1 hour after their creation."),
        Column(
            "rebooked_cancels", "BIGINT", "Canceled orders with an order of their own in their place (is_rebooked)."
        ),
        Column("voucher_orders", "BIGINT", "Firm orders with a voucher."),
        Column("linked_orders", "BIGINT", "Firm orders linked to a reservation; Mews may have predicted the link."),
        *(column for days in (7, 30, 90) for column in _mature(days)),
        Column(
            "cancellations",
            "BIGINT",
            "Orders canceled on this day, whenever they were created; one without a cancellation time is not counted.",
        ),
        Column(
            "net_canceled_within_30d",
            "BIGINT",
            "Of canceled_within_30d, those that were neither canceled within the hour nor ordered again.",
        ),
        Column("firm_orders_not_canceled", "BIGINT", "Of firm_orders, those that are not Canceled."),
        Column(
            "canceled_never_seen_confirmed_orders",
            "BIGINT",
            "Of canceled_orders, those of which no observed version was Confirmed, Started or Processed.",
        ),
        Column(
            "canceled_while_pending_orders",
            "BIGINT",
            "Of canceled_never_seen_confirmed_orders, those observed to go from Inquired, Optional or Requested "
            "straight to Canceled.",
        ),
        Column(
            "orders_without_items",
            "BIGINT",
            "Of orders_created, those of which no item is known; 0 where the hotel's items are not read.",
        ),
    ),
)


def _amounts(name: str, items: str) -> tuple[Column, Column, Column]:
    return (
        Column(f"{name}_quantity", "BIGINT", f"Units of {items}."),
        Column(f"{name}_gross_value", "DECIMAL(18,4)", f"Amounts with tax of {items}."),
        Column(f"{name}_net_value", "DECIMAL(18,4)", f"Amounts without tax of {items}."),
    )


AGG_ITEM_REVENUE_DAILY = Table(
    schema="mart",
    name="agg_item_revenue_daily",
    description=(
        "What was ordered, consumed, canceled and rebated for each day of consumption. One row for each hotel, "
        "service, product, currency and day with any item. Ordered is consumed, booked and canceled together; all "
        "items are ordered, rebated, fees and other together."
    ),
    key=("enterprise_id", "service_id", "product_id", "currency", "date"),
    columns=(
        _ENTERPRISE_ID,
        Column("service_id", "VARCHAR", "Service of the items; joins to dim_services."),
        _PRODUCT_ID,
        _CURRENCY,
        Column("date", "DATE", "Day of consumption in the hotel's time zone; joins to dim_dates."),
        Column("items", "BIGINT", "Items of any kind and state."),
        Column("items_without_order", "BIGINT", "Of them, those of which no order and no reservation is known."),
        *_amounts("ordered", "sales that are Open, Closed or Canceled"),
        *_amounts("consumed", "sales that are Open or Closed, consumed before the day of items_as_of_utc"),
        *_amounts("booked", "sales that are Open or Closed, consumed on the day of items_as_of_utc or later"),
        *_amounts("canceled", "sales that are Canceled"),
        *_amounts("rebated", "rebates that are Open or Closed, negative, on their own day of consumption"),
        *_amounts("fee", "cancellation fees that are Open or Closed, on their own day of consumption"),
        *_amounts(
            "other",
            "all other items: Inactive or in an unknown state, canceled rebates and fees, taxes, deposits and unknown "
            "types",
        ),
    ),
)

AGG_CONSUMPTION_AHEAD = Table(
    schema="mart",
    name="agg_consumption_ahead",
    description=(
        "How much is booked for each of the next 30 days, and how much of it is expected to be consumed. One row for "
        "each hotel, service, product and day for which anything is booked."
    ),
    key=("enterprise_id", "service_id", "product_id", "date"),
    columns=(
        _ENTERPRISE_ID,
        Column("service_id", "VARCHAR", "Service of the items; joins to dim_services."),
        _PRODUCT_ID,
        Column("date", "DATE", "Day of consumption in the hotel's time zone; joins to dim_dates."),
        Column("days_ahead", "INTEGER", "Days from the local day of items_as_of_utc: 1 is tomorrow, 30 the last."),
        Column("booked_quantity", "BIGINT", "Units of sales that are Open or Closed."),
        Column(
            "expected_quantity",
            "DOUBLE",
            "booked_quantity without the share of it that history shows to be canceled: booked_quantity * "
            "(history_items - history_canceled_items) / history_items. Null where history is.",
        ),
        Column(
            "history",
            "VARCHAR",
            "Whose history it is: service, or hotel where the service has fewer than 30 history_items; null where the "
            "hotel has fewer too.",
        ),
        Column(
            "history_items",
            "BIGINT",
            "Sales consumed or canceled of the last 365 complete days that were booked and not canceled at the end of "
            "the day that many days_ahead before their consumption.",
        ),
        Column(
            "history_canceled_items",
            "BIGINT",
            "Of history_items, those that were canceled after it, until the day of their consumption.",
        ),
    ),
)

AGG_CANCELLATION_CURVE = Table(
    schema="mart",
    name="agg_cancellation_curve",
    description=(
        "How the share of canceled orders grows with their age, for each month of creation. One row for each hotel, "
        "service, month of creation and day of age, as long as any order has been observed for that many days."
    ),
    key=("enterprise_id", "service_id", "cohort_month", "days_since_creation"),
    columns=(
        _ENTERPRISE_ID,
        _SERVICE_ID,
        Column("cohort_month", "DATE", "First day of the month of creation, in the hotel's time zone."),
        Column("days_since_creation", "INTEGER", "Age of the orders in whole days, 0 to 365."),
        Column(
            "orders_at_risk",
            "BIGINT",
            "Firm orders of the month that were at least that many days old at the end of the hotel's as_of_date.",
        ),
        Column(
            "canceled_by_then",
            "BIGINT",
            "Of orders_at_risk, those canceled at most that many days after their creation; "
            "a canceled order without a cancellation time is never among them.",
        ),
    ),
)


def _earlier(period: str, days: int) -> tuple[Column, Column]:
    return (
        Column(
            f"last_{period}_orders_created",
            "BIGINT",
            f"Orders created {days} days before date that were known {days} days before known_on; null where the hotel "
            "had not been read by then.",
        ),
        Column(f"last_{period}_canceled_orders", "BIGINT", "Of them, those that were known to be Canceled by then."),
    )


AGG_CHANGES = Table(
    schema="mart",
    name="agg_changes",
    description=(
        "What changed: orders and cancellations of the last 7 and 28 complete days beside those of another period, "
        "most remarkable first. One row for each hotel, level (hotel, service, origin, or service and origin), window "
        "and comparison. Rows of different levels contain each other: never add them up."
    ),
    key=("enterprise_id", "level", "service_id", "origin", "window_days", "comparison"),
    columns=(
        _ENTERPRISE_ID,
        Column("level", "VARCHAR", "What the row is about: hotel, service, origin or service_origin."),
        Column("service_id", "VARCHAR", "Service that it is about; null at the levels hotel and origin."),
        Column(
            "origin",
            "VARCHAR",
            "Origin that it is about; null at the levels hotel and service, and where the API gave none.",
        ),
        Column("window_days", "INTEGER", "Length of the window in days: 7 or 28, up to the hotel's as_of_date."),
        Column(
            "comparison",
            "VARCHAR",
            "What the window is compared with: before (the days right before it), last_year (364 days earlier, so the "
            "same weekdays) or usual (the 12 weeks before it; fewer, but at least 4, where no more are known).",
        ),
        Column("from_date", "DATE", "First day of the window, in the hotel's time zone."),
        Column("to_date", "DATE", "Last day of the window: the hotel's as_of_date."),
        Column("compared_from_date", "DATE", "First day of the compared period."),
        Column("compared_to_date", "DATE", "Last day of the compared period."),
        Column("orders", "BIGINT", "Orders created in the window."),
        Column("compared_orders", "DOUBLE", "Orders created in the compared period, for the length of the window."),
        Column("cancellations", "BIGINT", "Orders canceled in the window, whenever they were created."),
        Column(
            "compared_cancellations", "DOUBLE", "Cancellations of the compared period, for the length of the window."
        ),
        Column(
            "mature_orders_7d", "BIGINT", "Firm orders created in the window as it was 7 days earlier, so 7 days old."
        ),
        Column("canceled_within_7d", "BIGINT", "Of mature_orders_7d, those canceled within 7 days."),
        Column("compared_mature_orders_7d", "BIGINT", "The same orders of the compared period, 7 days earlier too."),
        Column("compared_canceled_within_7d", "BIGINT", "Of compared_mature_orders_7d, those canceled within 7 days."),
        Column("unresolved_orders", "BIGINT", "Unresolved orders created in the window as it was 60 days earlier."),
        Column(
            "compared_unresolved_orders",
            "DOUBLE",
            "Unresolved orders of the compared period, 60 days earlier too, for the length of the window.",
        ),
        Column(
            "expected_cancellations",
            "DOUBLE",
            "Cancellations that the orders of the window would have had, if each service and origin had as many for "
            "each order created as in the compared period.",
        ),
        Column("excess_cancellations", "DOUBLE", "Cancellations less expected_cancellations."),
        Column(
            "excess_low",
            "DOUBLE",
            "Lower end of the 95 % interval of excess_cancellations; null where the compared period has no orders.",
        ),
        Column(
            "excess_high",
            "DOUBLE",
            "Upper end of the 95 % interval of excess_cancellations; null where the compared period has no orders.",
        ),
        Column("volume_effect", "DOUBLE", "Change of the cancellations because there were more or fewer orders."),
        Column("mix_effect", "DOUBLE", "Change because more orders are of services and origins that cancel more."),
        Column(
            "rate_effect",
            "DOUBLE",
            "Change because services and origins cancel more than they did; the three effects add up to the change.",
        ),
        Column(
            "kind",
            "VARCHAR",
            "What is remarkable: orders (their number), rate (cancellations for these orders) or mix (where orders "
            "come from); null where nothing was tested: only the comparison usual is, and only what has 10 or more.",
        ),
        Column("score", "DOUBLE", "How many standard errors it is away from what is usual."),
        Column(
            "is_beyond_chance",
            "BOOLEAN",
            "Whether so high a score, anywhere in the portfolio, comes by chance less than once in 20 times.",
        ),
        Column(
            "rank",
            "BIGINT",
            "Place among all that was tested: the most remarkable row of each hotel and kind first; null elsewhere.",
        ),
        Column("sentence", "VARCHAR", "The change in one sentence; null where nothing was tested."),
        Column(
            "canceled_value",
            "DECIMAL(18,4)",
            "What the orders canceled in the window were worth with tax: the amounts of their canceled sales, in "
            "currency. Null where currency is.",
        ),
        Column(
            "compared_canceled_value",
            "DECIMAL(18,4)",
            "The same of the orders canceled in the compared period, for the length of the window.",
        ),
        Column(
            "currency",
            "VARCHAR",
            "Currency of both values, as ISO 4217 names it; null where there are several, or no canceled items.",
        ),
    ),
)

AGG_PICKUP = Table(
    schema="mart",
    name="agg_pickup",
    description=(
        "What was known then: orders and cancellations by day of creation, as they were known at the end of each of "
        "the last 35 complete days, beside those created and known a week and a year earlier. One row for each hotel, "
        "service, known_on and date with any order. Sums are right within one known_on."
    ),
    key=("enterprise_id", "service_id", "known_on", "date"),
    columns=(
        _ENTERPRISE_ID,
        _SERVICE_ID,
        Column(
            "known_on",
            "DATE",
            "Day at whose end the counts were known, in the hotel's time zone; one of the last 35 up to as_of_date, "
            "and none before the hotel was first read.",
        ),
        Column(
            "date",
            "DATE",
            "Day of creation in the hotel's time zone, one of the same 35 days; joins to dim_dates.",
        ),
        Column("orders_created", "BIGINT", "Orders created on date that were known on known_on."),
        Column("canceled_orders", "BIGINT", "Of them, those that were known to be Canceled."),
        *_earlier("week", 7),
        *_earlier("year", 364),
    ),
)


OPS_REFRESHES = Table(
    schema="mart",
    name="ops_refreshes",
    description=(
        "What each refresh of the last 35 days read and what it cost, for the question why a figure is old. One row "
        "for each refresh that came as far as reading."
    ),
    key=("refresh_id",),
    columns=tuple(
        replace(column, name=column.name.replace("_utc", "_at"), description=column.description.replace("_utc", "_at"))
        for column in REFRESHES.columns
    ),
)

OPS_SCHEMA_CHANGES = Table(
    schema="mart",
    name="ops_schema_changes",
    description=(
        "Fields and values that Mews added or stopped sending. One row for each field, or value of a field with "
        "documented values, that this package does not know, or that is missing now."
    ),
    key=("operation", "field", "value"),
    columns=(
        Column("operation", "VARCHAR", "Operation of the API."),
        Column("field", "VARCHAR", "The field as the API names it, dotted where nested."),
        Column("value", "VARCHAR", "The value; null where the row is about the field itself."),
        Column(
            "change",
            "VARCHAR",
            "added: the API's documentation did not name it when this package was written. stopped: it was sent on at "
            "least half of all days, 14 or more, and on none of the last 28 on which any record was read.",
        ),
        Column("first_seen_at", "TIMESTAMP", "When the first record with it was read (UTC)."),
        Column("last_seen_at", "TIMESTAMP", "When a record with it was read on the last day that had one (UTC)."),
    ),
)


def _columns_of(table: Table, *names: str) -> tuple[Column, ...]:
    return tuple(column for column in table.columns if column.name in names)


RPT_ORDERS = Table(
    schema="mart",
    name="rpt_orders",
    description="Every order with the names of its hotel and service, flat for BI tools. One row for each order.",
    key=("order_id",),
    columns=(
        *FCT_PRODUCT_SERVICE_ORDERS.columns,
        *_columns_of(DIM_ENTERPRISES, "enterprise_name", "time_zone", "chain_name", "country_code", "city"),
        *_columns_of(DIM_SERVICES, "service_name"),
    ),
)

MART_TABLES = (
    DIM_ENTERPRISES,
    DIM_SERVICES,
    DIM_DATES,
    FCT_PRODUCT_SERVICE_ORDERS,
    FCT_ORDER_STATE_CHANGES,
    AGG_ORDERS_DAILY,
    AGG_CANCELLATION_CURVE,
    DIM_PRODUCTS,
    FCT_ORDER_ITEMS,
    AGG_ITEM_REVENUE_DAILY,
    AGG_CONSUMPTION_AHEAD,
    AGG_CHANGES,
    AGG_PICKUP,
    OPS_REFRESHES,
    OPS_SCHEMA_CHANGES,
    RPT_ORDERS,
)

OPS_TABLES = (OPS_REFRESHES, OPS_SCHEMA_CHANGES)
"""Those of `MART_TABLES` that are about the pipeline: they change also where no figure of a hotel does."""

MART_VIEWS = (AGG_CANCELLATION_CURVE, AGG_CHANGES, AGG_PICKUP, RPT_ORDERS)
"""Those of `MART_TABLES` that are views over the others and over `INTERNAL_TABLES`."""

CANCELLATION_CURVE_RUNS = Table(
    schema="internal",
    name="cancellation_curve_runs",
    description=(
        "The cancellation curve in short: runs of days with the same counts. Private: read "
        "mart.agg_cancellation_curve. One row for each hotel, service, month of creation and run."
    ),
    key=("enterprise_id", "service_id", "cohort_month", "first_day"),
    columns=(
        _ENTERPRISE_ID,
        _SERVICE_ID,
        Column("cohort_month", "DATE", "First day of the month of creation, in the hotel's time zone."),
        Column("first_day", "INTEGER", "First days_since_creation of the run."),
        Column("last_day", "INTEGER", "Last days_since_creation of the run."),
        Column("orders_at_risk", "BIGINT", "The same on each day of the run."),
        Column("canceled_by_then", "BIGINT", "The same on each day of the run."),
    ),
)

COMPUTED_ENTERPRISES = Table(
    schema="internal",
    name="computed_enterprises",
    description=(
        "What each hotel's metrics were computed from, so that only those that changed are computed again. Private. "
        "One row for each hotel."
    ),
    key=("enterprise_id",),
    columns=(
        Column("enterprise_id", "VARCHAR", "The hotel."),
        Column("input_digest", "VARCHAR", "Digest of its time zone, its online check-in and its scopes' revisions."),
        Column("requires_all_companions", "BOOLEAN", "Whether online check-in took all companions."),
        Column("last_midnight_utc", "TIMESTAMP", "End of the as_of_date that its metrics were computed with (UTC)."),
        Column("time_zone", "VARCHAR", "IANA time zone that its dates were computed with."),
        Column("items_midnight_utc", "TIMESTAMP", "Beginning of the day of its items_as_of_utc (UTC)."),
    ),
)

COMPUTED_SCOPES = Table(
    schema="internal",
    name="computed_scopes",
    description=(
        "Which revision of each scope the facts were computed from; only newer changes are computed. Private. "
        "One row for each endpoint and scope."
    ),
    key=("endpoint", "scope_id"),
    columns=(
        Column("endpoint", "VARCHAR", "The endpoint of mews.sync_state."),
        Column("scope_id", "VARCHAR", "A service for orders, a hotel for items."),
        _ENTERPRISE_ID,
        Column("revision", "BIGINT", "Its revision in mews.sync_state when the facts were computed."),
    ),
)

MARTS_DEFINITION = Table(
    schema="internal",
    name="marts_definition",
    description="Which tables and SQL this file was made with; with others it is rebuilt. Private. One row.",
    key=("definition_digest",),
    columns=(Column("definition_digest", "VARCHAR", "Digest of the package's tables and SQL."),),
)

MARTS_ORIGIN = Table(
    schema="internal",
    name="marts_origin",
    description="The state of the warehouse that the marts fit; for another they are rebuilt. Private. One row.",
    key=("warehouse_id",),
    columns=(
        Column("warehouse_id", "VARCHAR", "The warehouse_id of mews.warehouse_info."),
        Column(
            "derivation_id", "VARCHAR", "The derivation_id of mews.warehouse_info; null before anything was computed."
        ),
        Column(
            "is_complete",
            "BOOLEAN",
            "Whether the metrics of every hotel have been computed since the tables were made.",
        ),
        Column("marts_id", "VARCHAR", "Random, given when the tables are made: with a version it is unique for ever."),
    ),
)

TABLE_VERSIONS = Table(
    schema="internal",
    name="table_versions",
    description=(
        "Which transaction last changed each table, and each month of the large ones, so that unchanged months are "
        "published as they are. Private. One row for each table, or each month of a large one."
    ),
    key=("table_name", "created_month"),
    columns=(
        Column("table_name", "VARCHAR", "The table or view of schema mart, without its schema."),
        Column(
            "created_month",
            "DATE",
            "First day of the month of the created_date of orders, or of items; null for a table that is published "
            "as a whole.",
        ),
        Column("version", "BIGINT", "Number of the last transaction that added, changed or removed a row of it."),
    ),
)

ALL_COMPANIONS_ENVIRONMENTS = Table(
    schema="internal",
    name="all_companions_environments",
    description="Accommodation environments whose online check-in takes all companions, as they are set. Private.",
    key=("code",),
    columns=(Column("code", "VARCHAR", "The code of one, in upper case."),),
)

WINDOWS_ZONES = Table(
    schema="internal",
    name="windows_zones",
    description="The IANA time zone of each one that Windows names, as Unicode's CLDR has it. Private.",
    key=("windows_name",),
    columns=(
        Column("windows_name", "VARCHAR", "Name of the zone in Windows."),
        Column("time_zone", "VARCHAR", "Its IANA name."),
    ),
)

CHECK_COUNTS = Table(
    schema="internal",
    name="check_counts",
    description="What each check counted in each hotel, so that only hotels that changed are checked again. Private.",
    key=("check_name", "enterprise_id"),
    columns=(
        Column("check_name", "VARCHAR", "The check, after the endpoint that it is about."),
        Column("enterprise_id", "VARCHAR", "The hotel; empty for records without one."),
        Column("checked", "BIGINT", "Records that the check is about."),
        Column("violations", "BIGINT", "Records among them that break its rule."),
        Column("detail", "VARCHAR", "What was found, in a few words."),
        Column("input_digest", "VARCHAR", "Digest of what was checked."),
    ),
)

INTERNAL_TABLES = (
    CANCELLATION_CURVE_RUNS,
    COMPUTED_ENTERPRISES,
    COMPUTED_SCOPES,
    MARTS_DEFINITION,
    MARTS_ORIGIN,
    TABLE_VERSIONS,
    ALL_COMPANIONS_ENVIRONMENTS,
    WINDOWS_ZONES,
    CHECK_COUNTS,
)
"""Tables of the marts file that no reader should depend on."""
