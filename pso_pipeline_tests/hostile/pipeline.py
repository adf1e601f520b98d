"""The whole pipeline over one hostile server: the `refresh` job on an instance in memory, and what it left."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from dagster import DagsterInstance

from pso_pipeline.definitions import defs
from pso_pipeline.ingestion import api as api_module
from pso_pipeline.ingestion import fetch
from pso_pipeline.mews import client as client_module
from pso_pipeline.mews.retry import RetryPolicy
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.hostile.world import MARK

Connection = duckdb.DuckDBPyConnection
HURRIED = RetryPolicy(attempts=2, seconds=5, first_backoff=0.01, longest_backoff=0.02)


@dataclass
class Pipeline:
    """One warehouse and one snapshot in a folder, refreshed by Dagster's job."""

    folder: Path
    instance: DagsterInstance

    def refresh(self, job: str = "refresh") -> list[str]:
        """Run the job; return what its steps failed with. Fails where one ended by anything but a plain `Failure`."""
        result = defs.get_job_def(job).execute_in_process(instance=self.instance, raise_on_error=False)
        reasons = []
        for event in result.all_events:
            if event.is_step_failure:
                failure = event.step_failure_data
                assert failure.user_failure_data, failure.error and failure.error.to_string()
                reasons.append(failure.user_failure_data.description or "")
        assert bool(reasons) is not result.success, "a run that fails says why"
        return reasons

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[Connection, Connection]]:
        """Open the warehouse and the snapshot, for queries of each."""
        snapshot_path = str(self.folder / "bi" / "pso_bi.duckdb")
        with (
            Warehouse(str(self.folder / "warehouse.duckdb")).open() as warehouse,
            duckdb.connect(snapshot_path, read_only=True) as snapshot,
        ):
            yield warehouse, snapshot

    def kept_marks(self) -> tuple[set[str], list[tuple[str, str]]]:
        """The marks of all records that landed, in any version, and the reason and text of each reject."""
        tables = ("enterprises", "services", "product_service_order_versions")
        with Warehouse(str(self.folder / "warehouse.duckdb")).open() as warehouse:
            found = {
                json.loads(extra).get(MARK)
                for table in tables
                for (extra,) in warehouse.execute(f"SELECT extra FROM mews.{table} WHERE extra IS NOT NULL").fetchall()
            }
            return found, warehouse.execute("SELECT reason, record FROM mews.rejected_records").fetchall()


@contextlib.contextmanager
def pipeline(monkeypatch: Any, address: str, page_size: int) -> Iterator[Pipeline]:
    """A fresh one for a server, with pages of that size; it does not wait long where an answer cannot be read."""
    with tempfile.TemporaryDirectory() as name, monkeypatch.context() as patch, DagsterInstance.ephemeral() as instance:
        folder = Path(name)
        patch.chdir(folder)
        patch.setattr(api_module, "limiter_folder", lambda: folder / "limits")
        patch.setattr(client_module, "RetryPolicy", lambda: HURRIED)
        patch.setattr(fetch, "PAGE_SIZE", page_size)
        patch.setenv("MEWS_PLATFORM_ADDRESS", address)
        patch.setenv("MEWS_CLIENT_TOKEN", "client-token")
        patch.setenv("MEWS_ACCESS_TOKENS", "access-token")
        patch.setenv("MEWS_REQUESTS_PER_WINDOW", "100000")
        patch.setenv("PSO_WAREHOUSE", str(folder / "warehouse.duckdb"))
        patch.setenv("PSO_BI_DIR", str(folder / "bi"))
        yield Pipeline(folder, instance)


def naive(moment: datetime) -> datetime:
    """As the warehouse keeps it."""
    return moment.replace(tzinfo=None)
