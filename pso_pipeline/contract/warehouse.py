"""The tables of schema `mews`: what landed from the API, as the API names it in snake_case.

Add a column here and a migration in `warehouse/migrations`; names that interface documents promise do not change.
"""

from pso_pipeline.contract.columns import Column, Table

ENTERPRISES = Table(
    schema="mews",
    name="enterprises",
    description="Hotels that the access tokens reach, or once reached.",
    key=("id",),
    columns=(
        Column("id", "VARCHAR", "Unique identifier of the enterprise.", "Id", required=True),
        Column("partition_key", "VARCHAR", "Readable, permanent key of its Dagster partition."),
        Column("name", "VARCHAR", "Name of the hotel.", "Name"),
        Column(
            "time_zone_identifier",
            "VARCHAR",
            "IANA time zone in which its dates are counted.",
            "TimeZoneIdentifier",
        ),
        Column("chain_id", "VARCHAR", "Unique identifier of the chain it belongs to.", "ChainId"),
        Column("chain_name", "VARCHAR", "Name of the chain it belongs to.", "ChainName"),
        Column("country_code", "VARCHAR", "Country of its address.", "Address.CountryCode"),
        Column("city", "VARCHAR", "City of its address.", "Address.City"),
        Column("created_utc", "TIMESTAMP", "When it was created in Mews.", "CreatedUtc"),
        Column("updated_utc", "TIMESTAMP", "When it was last updated in Mews.", "UpdatedUtc"),
        Column("linked_utc", "TIMESTAMP", "When it joined the portfolio of the access token.", "LinkedUtc"),
        Column("is_in_scope", "BOOLEAN", "False once no access token sees it any more."),
        Column("token_fingerprint", "VARCHAR", "Digest of the access token that saw it last; not the token."),
        Column(
            "unlisted_since_utc",
            "TIMESTAMP",
            "Since when the listings of its access token lack it, by the server's clock; null while it is listed.",
        ),
        Column("extra", "JSON", "Every other field that the API sent."),
    ),
)

SERVICES = Table(
    schema="mews",
    name="services",
    description="Services that the hotels sell, such as breakfast, parking or spa.",
    key=("id",),
    columns=(
        Column("id", "VARCHAR", "Unique identifier of the service.", "Id", required=True),
        Column("enterprise_id", "VARCHAR", "Hotel that sells it.", "EnterpriseId", required=True),
        Column("name", "VARCHAR", "Name of the service.", "Name"),
        Column(
            "kind",
            "VARCHAR",
            "Additional (orders are made against it) or Bookable (reservations are).",
            "Data.Discriminator",
        ),
        Column("is_active", "BOOLEAN", "Whether it can be ordered now; its older orders remain.", "IsActive"),
        Column("created_utc", "TIMESTAMP", "When it was created in Mews.", "CreatedUtc"),
        Column("updated_utc", "TIMESTAMP", "When it was last updated in Mews.", "UpdatedUtc"),
        Column(
            "unlisted_since_utc",
            "TIMESTAMP",
            "Since when whole listings lack it, by the server's clock; null while it is listed.",
        ),
        Column(
            "retired_utc",
            "TIMESTAMP",
            "When it was retired, by the server's clock: no listing contains it and the API refuses to list its orders."
            " It is not read and its orders remain. Null while it is in use.",
        ),
        Column("extra", "JSON", "Every other field that the API sent."),
    ),
)

_ORDER_COLUMNS = (
    Column("id", "VARCHAR", "Unique identifier of the product service order.", "Id", required=True),
    Column("enterprise_id", "VARCHAR", "Hotel whose service was ordered; known through the service."),
    Column("service_id", "VARCHAR", "Service that the order is made against.", "ServiceId", required=True),
    Column("account_id", "VARCHAR", "Customer or company who owns the order.", "AccountId"),
    Column("account_type", "VARCHAR", "Customer or Company.", "AccountType"),
    Column("creator_profile_id", "VARCHAR", "User who created the order.", "CreatorProfileId"),
    Column("updater_profile_id", "VARCHAR", "User who updated the order.", "UpdaterProfileId"),
    Column("booker_id", "VARCHAR", "Customer on whose behalf the order was made.", "BookerId"),
    Column("number", "VARCHAR", "Confirmation number of the order in Mews.", "Number"),
    Column("state", "VARCHAR", "State of the order, as the API names it; new states may appear.", "State"),
    Column("origin", "VARCHAR", "Where the order came from, for example Distributor or Connector.", "Origin"),
    Column("commander_origin", "VARCHAR", "How staff took the order, where staff did.", "CommanderOrigin"),
    Column("origin_details", "VARCHAR", "Details about the origin.", "OriginDetails"),
    Column("created_utc", "TIMESTAMP", "When the order was created.", "CreatedUtc", required=True),
    Column("updated_utc", "TIMESTAMP", "When the order was last updated.", "UpdatedUtc", required=True),
    Column(
        "cancelled_utc",
        "TIMESTAMP",
        "When the order was canceled; a cancellation can be undone.",
        "CancelledUtc",
    ),
    Column("voucher_id", "VARCHAR", "Voucher that was used to create the order.", "VoucherId"),
    Column("business_segment_id", "VARCHAR", "Business segment of the order.", "BusinessSegmentId"),
    Column("linked_reservation_id", "VARCHAR", "Reservation that the order is linked to.", "LinkedReservationId"),
    Column("owner_checked_in", "BOOLEAN", "Whether the owner has checked in.", "Options.OwnerCheckedIn"),
    Column(
        "all_companions_checked_in",
        "BOOLEAN",
        "Whether all companions have checked in.",
        "Options.AllCompanionsCheckedIn",
    ),
    Column(
        "any_companion_checked_in",
        "BOOLEAN",
        "Whether any companion has checked in.",
        "Options.AnyCompanionCheckedIn",
    ),
    Column(
        "connector_check_in",
        "BOOLEAN",
        "Whether the check-in came through the API: a kiosk or an app.",
        "Options.ConnectorCheckIn",
    ),
    Column("extra", "JSON", "Every other field that the API sent."),
    Column("is_missing_from_source", "BOOLEAN", "True once a full read no longer found the order."),
    Column("fetched_utc", "TIMESTAMP", "When this version was read from the API, by the server's clock."),
)

PRODUCT_SERVICE_ORDERS = Table(
    schema="mews",
    name="product_service_orders",
    description="Every product service order, in its latest version.",
    key=("id",),
    columns=_ORDER_COLUMNS,
)

PRODUCT_SERVICE_ORDER_VERSIONS = Table(
    schema="mews",
    name="product_service_order_versions",
    description="Every version ever seen of every product service order; rows are only added.",
    key=("id", "updated_utc", "observed_utc"),
    columns=(
        *_ORDER_COLUMNS,
        Column("observed_utc", "TIMESTAMP", "When this version was first seen, by the server's clock."),
    ),
)

REJECTED_RECORDS = Table(
    schema="mews",
    name="rejected_records",
    description="Records of the API that could not be read, kept as they came.",
    key=("operation", "record"),
    columns=(
        Column("operation", "VARCHAR", "Operation of the API that answered with the record."),
        Column("enterprise_id", "VARCHAR", "Hotel of the record, where it could be told."),
        Column("reason", "VARCHAR", "What was wrong with the record."),
        Column("record", "JSON", "The record as the API sent it."),
        Column("observed_utc", "TIMESTAMP", "When it was first seen, by the server's clock."),
    ),
)

SYNC_STATE = Table(
    schema="mews",
    name="sync_state",
    description="How far each scope of each endpoint has been read: a service, for product service orders.",
    key=("endpoint", "scope_id"),
    columns=(
        Column("endpoint", "VARCHAR", "Endpoint of the API, by the name of its table."),
        Column("scope_id", "VARCHAR", "What is read on its own: a service or an enterprise."),
        Column("enterprise_id", "VARCHAR", "Hotel that it belongs to."),
        Column(
            "watermark_utc",
            "TIMESTAMP",
            "Every change up to here has landed, by the server's clock; null before the first full read is complete.",
        ),
        Column(
            "full_read_started_utc",
            "TIMESTAMP",
            "When the unfinished full read began, by the server's clock.",
        ),
        Column("full_read_cursor", "VARCHAR", "Cursor that continues the unfinished full read."),
        Column("full_read_records", "BIGINT", "Records that the unfinished full read has landed."),
        Column(
            "resync_started_utc",
            "TIMESTAMP",
            "When the full resync began that has read this scope to its end and not yet all others of its hotel.",
        ),
        Column("last_success_utc", "TIMESTAMP", "When the scope was last read to the end without a failure."),
        Column("last_error", "VARCHAR", "Why the last read failed; null after a success."),
        Column("revision", "BIGINT", "Goes up with each landing that changed a record of the scope."),
    ),
)

WAREHOUSE_TABLES = (
    ENTERPRISES,
    SERVICES,
    PRODUCT_SERVICE_ORDERS,
    PRODUCT_SERVICE_ORDER_VERSIONS,
    REJECTED_RECORDS,
    SYNC_STATE,
)
