"""dlt's `rest_api` source into its DuckDB destination, merged by id (dlthub.com/docs: "REST API source")."""

import json
import os
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source

source = rest_api_source(
    {
        "client": {"base_url": f"{os.environ['MEWS_PLATFORM_ADDRESS']}/api/connector/v1/"},
        "resources": [
            {
                "name": "product_service_orders",
                "primary_key": "Id",
                "write_disposition": "merge",
                "endpoint": {
                    "path": "productServiceOrders/getAll",
                    "method": "POST",
                    "json": {
                        "ClientToken": os.environ["MEWS_CLIENT_TOKEN"],
                        "AccessToken": os.environ["MEWS_ACCESS_TOKENS"],
                        "Client": "dlt",
                        "ServiceIds": json.loads(Path(os.environ["BENCH_SERVICES"]).read_text(encoding="utf-8")),
                        "Limitation": {"Count": 1000},
                    },
                    "data_selector": "ProductServiceOrders",
                    "paginator": {
                        "type": "cursor",
                        "cursor_path": "Cursor",
                        "cursor_body_path": "Limitation.Cursor",
                    },
                },
            }
        ],
    }
)
pipeline = dlt.pipeline(
    pipeline_name="mews",
    pipelines_dir=os.environ["BENCH_FOLDER"],
    destination=dlt.destinations.duckdb(os.environ["BENCH_DATABASE"]),
    dataset_name="mews",
)
pipeline.run(source)
