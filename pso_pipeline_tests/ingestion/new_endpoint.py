"""A small endpoint with a nested object, a list and an amount, and the two jobs with it in the registry.

As a program it adds the endpoint to the registry, as a line there would, before anything else of the package is
imported. It runs the jobs that it is given and writes which hotels they report as materialized.
"""

import json
import sys

from pso_pipeline.contract import endpoints
from pso_pipeline.contract.columns import Column
from pso_pipeline.contract.endpoints.endpoint import Endpoint, Filter

PAYMENTS = Endpoint(
    name="payments",
    operation="payments/getAll",
    response_key="Payments",
    record_name="payment",
    description="What was paid, how much and for when.",
    scope="enterprise",
    scope_filter="EnterpriseIds",
    scope_path="EnterpriseId",
    filters=(Filter("EnterpriseIds"), Filter("AccountIds", limit=100), Filter("UpdatedUtc", "interval")),
    columns=(
        Column("id", "VARCHAR", "Unique identifier of the item.", "Id", required=True),
        Column("enterprise_id", "VARCHAR", "Hotel that it belongs to.", "EnterpriseId", required=True),
        Column("notes", "VARCHAR", "Free text.", "Notes", is_personal=True),
        Column("gross_value", "DECIMAL(18,4)", "What was charged, with tax.", "Amount.GrossValue", required=True),
        Column("currency", "VARCHAR", "Currency of the amount.", "Amount.Currency", values=("EUR", "CHF")),
        Column("tax_values", "JSON", "Taxes of the amount.", "Amount.TaxValues"),
        Column("tags", "VARCHAR[]", "Labels.", "Tags"),
        Column("unit_count", "BIGINT", "How many.", "UnitCount", required=True),
        Column("product_id", "VARCHAR", "Product that was sold.", "Data.Product.ProductId"),
        Column("consumed_day", "DATE", "For which day.", "ConsumedDay"),
        Column("updated_utc", "TIMESTAMP", "When it was last updated.", "UpdatedUtc", required=True),
    ),
)


def run(*jobs):
    """Run the jobs in turn, and return the partitions of the endpoint's asset that each reported."""
    from dagster import AssetKey, DagsterInstance

    from pso_pipeline.orchestration.definitions import defs

    reported = []
    with DagsterInstance.ephemeral() as instance:
        for job in jobs:
            result = defs.get_job_def(job).execute_in_process(
                instance=instance, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
            )
            events = [event for event in result.all_events if event.is_step_materialization]
            reported.append([event.partition for event in events if event.asset_key == AssetKey(PAYMENTS.name)])
        description = defs.resolve_asset_graph().get(AssetKey(PAYMENTS.name)).description
    return {"reported": reported, "description": description}


if __name__ == "__main__":
    endpoints.ENDPOINTS = (*endpoints.ENDPOINTS, PAYMENTS)
    sys.stdout.write(json.dumps(run(*sys.argv[1:])))
