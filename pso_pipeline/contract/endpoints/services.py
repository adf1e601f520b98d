"""The operation `services/getAll`: what hotels sell. An order names its service and not its hotel."""

from pso_pipeline.contract.columns import Column
from pso_pipeline.contract.endpoints.endpoint import Endpoint, Filter
from pso_pipeline.contract.enums import ADDITIONAL, BOOKABLE

SERVICES = Endpoint(
    name="services",
    operation="services/getAll",
    response_key="Services",
    record_name="service",
    description="Services that the hotels sell, such as breakfast, parking or spa.",
    scope="token",
    filters=(
        Filter("EnterpriseIds"),
        Filter("ServiceIds"),
        Filter("ServiceType", "text"),
        Filter("UpdatedUtc", "interval"),
    ),
    columns=(
        Column("id", "VARCHAR", "Unique identifier of the service.", "Id", required=True),
        Column("enterprise_id", "VARCHAR", "Hotel that sells it.", "EnterpriseId", required=True),
        Column("name", "VARCHAR", "Name of the service.", "Name"),
        Column(
            "kind",
            "VARCHAR",
            "Additional (orders are made against it) or Bookable (reservations are).",
            "Data.Discriminator",
            values=(BOOKABLE, ADDITIONAL),
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
    ),
)
