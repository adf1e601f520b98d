"""The least that a first load can cost: the same pages drained by bare httpx, the same rows inserted once into DuckDB.

Nothing is decoded: the cursor is cut out of the end of each page. The rows come from the warehouse that the pipeline
filled, as one Arrow table. Only these two steps are counted, no imports, no start-up.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import httpx

ADDITIONAL = "Additional"


@contextmanager
def counted(parts: dict[str, dict[str, float]], name: str) -> Iterator[None]:
    """Count the CPU of this process, all threads, and the time on the wall within the block."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    yield
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    parts[name] = {"cpu": cpu, "wall": time.monotonic() - began}


def service_ids(client: httpx.Client, tokens: dict[str, str]) -> list[str]:
    """List the services that orders are made against."""
    found: list[str] = []
    cursor = None
    while True:
        body = {**tokens, "Limitation": {"Count": 1000, "Cursor": cursor}}
        page = client.post("/api/connector/v1/services/getAll", json=body).json()
        found += [each["Id"] for each in page["Services"] if each["Data"]["Discriminator"] == ADDITIONAL]
        cursor = page["Cursor"]
        if cursor is None:
            return found


def drain(client: httpx.Client, tokens: dict[str, str], services: list[str]) -> tuple[int, int]:
    """Read every page of the orders; return how many requests and bytes that took."""
    requests = received = 0
    for at in range(0, len(services), 1000):
        cursor = None
        while True:
            body = {
                **tokens,
                "ServiceIds": services[at : at + 1000],
                "Limitation": {"Count": 1000, "Cursor": cursor},
            }
            page = client.post("/api/connector/v1/productServiceOrders/getAll", json=body).content
            requests += 1
            received += len(page)
            cursor = json.loads(page[page.rindex(b'"Cursor":') + 9 : -1])
            if cursor is None:
                break
    return requests, received


def main() -> None:
    """Drain, insert, print what each took."""
    tokens = {
        "ClientToken": os.environ["MEWS_CLIENT_TOKEN"],
        "AccessToken": os.environ["MEWS_ACCESS_TOKENS"],
        "Client": "floor",
    }
    parts: dict[str, dict[str, float]] = {}
    headers = {"Accept-Encoding": "identity"}
    with httpx.Client(base_url=os.environ["MEWS_PLATFORM_ADDRESS"], headers=headers, timeout=120) as client:
        services = service_ids(client, tokens)
        with counted(parts, "drain"):
            requests, received = drain(client, tokens, services)
    with duckdb.connect(sys.argv[1], read_only=True) as warehouse:
        rows = warehouse.sql("FROM mews.product_service_orders").to_arrow_table()
    path = Path("floor.duckdb")
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as database, counted(parts, "insert"):
        database.execute("CREATE TABLE orders AS FROM rows")
    with duckdb.connect() as database, counted(parts, "insert_in_memory"):
        database.execute("CREATE TABLE orders AS FROM rows")
    path.unlink()
    measured = {
        "step_cpu": parts["drain"]["cpu"] + parts["insert"]["cpu"],
        "step_wall": parts["drain"]["wall"] + parts["insert"]["wall"],
        "orders": len(rows),
        "requests": requests,
        "received_bytes": received,
        "parts": parts,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
