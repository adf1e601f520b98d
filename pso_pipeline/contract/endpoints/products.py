"""The operation `products/getAll`: what the services of a hotel sell."""

from datetime import timedelta

from pso_pipeline.contract.columns import Column
from pso_pipeline.contract.endpoints.endpoint import Endpoint, Filter
from pso_pipeline.contract.enums import CHARGING_MODES

PRODUCTS = Endpoint(
    name="products",
    operation="products/getAll",
    response_key="Products",
    record_name="product",
    description="Products that the services sell, one row each in its latest version.",
    scope="service",
    scope_filter="ServiceIds",
    scope_path="ServiceId",
    unmapped=("EnterpriseId", "Price.TaxValues", "Price.Breakdown"),
    localized=(("name", "names"),),
    read_every=timedelta(hours=12),
    is_optional=True,
    filters=(
        Filter("EnterpriseIds"),
        Filter("ServiceIds", is_required=True),
        Filter("ProductIds"),
        Filter("UpdatedUtc", "interval"),
        Filter("IncludeDefault", "flag"),
    ),
    columns=(
        Column("id", "VARCHAR", "Unique identifier of the product.", "Id", required=True),
        Column("enterprise_id", "VARCHAR", "Hotel whose service sells it; known through the service."),
        Column("service_id", "VARCHAR", "Service that sells it.", "ServiceId", required=True),
        Column("name", "VARCHAR", "Its name in the hotel's language, else in any."),
        Column("names", "JSON", "Its name in each language.", "Names"),
        Column("is_active", "BOOLEAN", "Whether it can be ordered now.", "IsActive"),
        Column(
            "classifications",
            "JSON",
            "What it is: food, beverage, wellness, city tax or fee, as the API names it.",
            "Classifications",
        ),
        Column(
            "charging_mode",
            "VARCHAR",
            "How often it is charged: once, for each night, for each person.",
            "ChargingMode",
            values=CHARGING_MODES,
        ),
        Column("consumption_moment", "VARCHAR", "When of a stay it is consumed.", "ConsumptionMoment"),
        Column("category_id", "VARCHAR", "Category of the product.", "CategoryId"),
        Column("price_currency", "VARCHAR", "Currency of the price, as ISO 4217 names it.", "Price.Currency"),
        Column("price_net_value", "DECIMAL(18,4)", "Price without tax.", "Price.NetValue"),
        Column("price_gross_value", "DECIMAL(18,4)", "Price with tax.", "Price.GrossValue"),
        Column("created_utc", "TIMESTAMP", "When it was created in Mews.", "CreatedUtc"),
        Column("updated_utc", "TIMESTAMP", "When it was last updated in Mews.", "UpdatedUtc", required=True),
    ),
)
