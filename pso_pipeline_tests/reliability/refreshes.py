"""This module starts refreshes as processes, and compares the warehouse and the snapshot with the source."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.processes import PROCESSES, finish
from pso_pipeline_tests.reliability.refreshing import refresh_with
from pso_pipeline_tests.truth import expected_items, expected_rows, landed_items, landed_rows


@dataclass(frozen=True)
class Refreshes:
    """Refreshes against one sandbox, as processes with one folder and one rate limit."""

    sandbox: Any
    folder: Path
    page_size: int = 50
    pages_per_landing: int = 2
    requests_per_window: int = 1_000_000
    window_seconds: float = 30.0

    @property
    def location(self):
        return str(self.folder / "warehouse.duckdb")

    def start(self, *, is_full=False):
        """Start a refresh; return its process."""
        world = self.sandbox.world
        settings = {
            "MEWS_PLATFORM_ADDRESS": self.sandbox.address,
            "MEWS_CLIENT_TOKEN": world.client_token,
            "MEWS_ACCESS_TOKENS": world.access_token,
            "MEWS_REQUESTS_PER_WINDOW": str(self.requests_per_window),
            "MEWS_WINDOW_SECONDS": str(self.window_seconds),
            "PSO_WAREHOUSE": self.location,
            "PSO_BI_DIR": str(self.folder / "bi"),
            "TMPDIR": str(self.folder),
        }
        process = PROCESSES.Process(
            target=refresh_with, args=(settings, self.folder, self.page_size, self.pages_per_landing, is_full)
        )
        process.start()
        return process

    def complete(self, *, is_full=False):
        """Run a refresh, which must succeed."""
        finish(self.start(is_full=is_full))

    def query(self, sql):
        with Warehouse(self.location).open() as connection:
            return connection.execute(sql).fetchall()

    def compare_with_source(self):
        """Compare the warehouse and the snapshot with the source; return the numbers of orders and versions."""
        truth = self.sandbox.world.snapshot(self.sandbox.world.clock.now(), with_items=True)
        expected = expected_rows(truth.orders, truth.services)
        with Warehouse(self.location).open() as connection:
            landed = landed_rows(connection)
            assert landed.keys() == expected.keys(), f"lost: {len(expected.keys() - landed.keys())}"
            assert landed == expected
            assert landed_items(connection) == expected_items(truth.items)
            versions = connection.execute(
                "SELECT * EXCLUDE (fetched_utc, observed_utc) FROM mews.product_service_order_versions"
            ).fetchall()
            for table in ("mews.order_item_versions", "mews.product_versions"):
                ((rows, distinct),) = connection.execute(
                    "SELECT count(*), count(DISTINCT hash(versions))"
                    f" FROM (SELECT * EXCLUDE (fetched_utc, observed_utc) FROM {table}) AS versions"
                ).fetchall()
                assert rows == distinct, "a version is stored twice"
            assert len(set(versions)) == len(versions), "a version is stored twice"
        with duckdb.connect(str(self.folder / "bi" / "pso_bi.duckdb"), read_only=True) as snapshot:
            published = snapshot.execute("SELECT order_id, state FROM mart.fct_product_service_orders").fetchall()
        assert sorted(published) == sorted((row["id"], row["state"]) for row in expected.values())
        return len(landed), len(versions)
