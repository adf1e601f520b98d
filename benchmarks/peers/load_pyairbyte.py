"""PyAirbyte with a low-code manifest into its DuckDB cache (docs.airbyte.com, "PyAirbyte", "Custom connectors")."""

import json
import os
from pathlib import Path

import airbyte
from airbyte.caches import DuckDBCache

source = airbyte.get_source(
    "source-mews",
    source_manifest=Path(__file__).with_name("mews_manifest.yaml"),
    config={
        "address": os.environ["MEWS_PLATFORM_ADDRESS"],
        "client_token": os.environ["MEWS_CLIENT_TOKEN"],
        "access_token": os.environ["MEWS_ACCESS_TOKENS"],
        "service_ids": json.loads(Path(os.environ["BENCH_SERVICES"]).read_text(encoding="utf-8")),
    },
    streams=["product_service_orders"],
)
source.read(cache=DuckDBCache(db_path=os.environ["BENCH_DATABASE"], schema_name="mews"))
