"""The script that people write first: httpx, `json_normalize`, and the frame into DuckDB."""

import json
import os
from pathlib import Path

import duckdb
import httpx
import pandas as pd

address = os.environ["MEWS_PLATFORM_ADDRESS"]
body = {
    "ClientToken": os.environ["MEWS_CLIENT_TOKEN"],
    "AccessToken": os.environ["MEWS_ACCESS_TOKENS"],
    "Client": "script",
    "ServiceIds": json.loads(Path(os.environ["BENCH_SERVICES"]).read_text(encoding="utf-8")),
}
frames = []
cursor = None
with httpx.Client(timeout=120) as client:
    while True:
        response = client.post(
            f"{address}/api/connector/v1/productServiceOrders/getAll",
            json={**body, "Limitation": {"Count": 1000, "Cursor": cursor}},
        )
        response.raise_for_status()
        page = response.json()
        frames.append(pd.json_normalize(page["ProductServiceOrders"]))
        cursor = page["Cursor"]
        if cursor is None:
            break
orders = pd.concat(frames)
with duckdb.connect(os.environ["BENCH_DATABASE"]) as connection:
    connection.register("frame", orders)
    connection.execute("CREATE TABLE product_service_orders AS SELECT * FROM frame")
