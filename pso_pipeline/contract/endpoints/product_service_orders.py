"""The operation `productServiceOrders/getAll`: orders of breakfast, parking, spa and other services."""

from pso_pipeline.contract.columns import Column
from pso_pipeline.contract.endpoints.endpoint import Endpoint, Filter
from pso_pipeline.contract.enums import ACCOUNT_TYPES, COMMANDER_ORIGINS, ORIGINS, STATES

PRODUCT_SERVICE_ORDERS = Endpoint(
    name="product_service_orders",
    operation="productServiceOrders/getAll",
    response_key="ProductServiceOrders",
    record_name="product service order",
    description=(
        "Orders of breakfast, parking, spa and other services that guests placed, one row each in its latest version."
    ),
    scope="service",
    scope_filter="ServiceIds",
    scope_path="ServiceId",
    filters=(
        Filter("EnterpriseIds"),
        Filter("ProductServiceOrderIds"),
        Filter("ServiceIds", is_required=True),
        Filter("AccountIds"),
        Filter("LinkedReservationIds"),
        Filter("States", "texts"),
        Filter("UpdatedUtc", "interval"),
    ),
    columns=(
        Column("id", "VARCHAR", "Unique identifier of the product service order.", "Id", required=True),
        Column("enterprise_id", "VARCHAR", "Hotel whose service was ordered; known through the service."),
        Column("service_id", "VARCHAR", "Service that the order is made against.", "ServiceId", required=True),
        Column("account_id", "VARCHAR", "Customer or company who owns the order.", "AccountId", is_personal=True),
        Column("account_type", "VARCHAR", "Customer or Company.", "AccountType", values=ACCOUNT_TYPES),
        Column("creator_profile_id", "VARCHAR", "User who created the order.", "CreatorProfileId", is_personal=True),
        Column("updater_profile_id", "VARCHAR", "User who updated the order.", "UpdaterProfileId", is_personal=True),
        Column("booker_id", "VARCHAR", "Customer on whose behalf the order was made.", "BookerId", is_personal=True),
        Column("number", "VARCHAR", "Confirmation number of the order in Mews.", "Number"),
        Column(
            "state",
            "VARCHAR",
            "State of the order, as the API names it; new states may appear.",
            "State",
            is_promised=True,
            values=STATES,
        ),
        Column(
            "origin",
            "VARCHAR",
            "Where the order came from, for example Distributor or Connector.",
            "Origin",
            values=ORIGINS,
        ),
        Column(
            "commander_origin",
            "VARCHAR",
            "How staff took the order, where staff did.",
            "CommanderOrigin",
            values=COMMANDER_ORIGINS,
        ),
        Column("origin_details", "VARCHAR", "Details about the origin.", "OriginDetails", is_personal=True),
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
    ),
)
