"""Pages gathered into what one landing takes.

Holds the columns of a landed record that are the pipeline's own. When a batch is full is decided by the caller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from pso_pipeline.contract.columns import Column, Table
from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.contract.warehouse import REJECTED_RECORDS
from pso_pipeline.ingestion.frames import concatenated, empty_frame, records_frame, rejects_frame, table_frame
from pso_pipeline.mews.pagination import Page
from pso_pipeline.warehouse.landing.progress import Progress
from pso_pipeline.warehouse.landing.records import Landing

SEEN = Table(
    "mews",
    "full_read_ids",
    "The ids that a full resync has seen.",
    ("scope_id", "id"),
    (Column("scope_id", "VARCHAR", "What is read on its own."), Column("id", "VARCHAR", "The record.")),
)


@dataclass(slots=True)
class BatchBuilder:
    """Gathers pages of an endpoint's records until they are taken as one landing.

    `enterprise_of` maps scopes to enterprises: a record of a scope that no listing has named lands without its
    enterprise. `keeps_ids` gathers which records a full resync saw, unreadable ones included.
    """

    endpoint: Endpoint
    enterprise_of: Mapping[str, str]
    keeps_ids: bool = False
    _records: list[pd.DataFrame] = field(default_factory=list)
    _rejects: list[pd.DataFrame] = field(default_factory=list)
    _seen: list[pd.DataFrame] = field(default_factory=list)

    def add(self, page: Page, fetched_utc: datetime) -> None:
        """Add a page that was read at `fetched_utc` by the server's clock."""
        scopes = page.rows[self.endpoint.scope_column]
        if scopes:
            ours = {
                "enterprise_id": page.rows.get("enterprise_id") or [self.enterprise_of.get(scope) for scope in scopes],
                "is_missing_from_source": False,
                "fetched_utc": fetched_utc,
            }
            self._records.append(records_frame(self.endpoint, page.rows, ours))
        if page.rejects:
            operation = self.endpoint.operation
            self._rejects.append(rejects_frame(operation, page.rejects, fetched_utc, self.enterprise_of))
        if self.keeps_ids:
            seen = {
                "scope_id": [*scopes, *(reject.scope_id for reject in page.rejects)],
                "id": [*page.rows["id"], *(reject.id for reject in page.rejects)],
            }
            self._seen.append(table_frame(SEEN, seen, len(seen["id"])))

    def take(self, progress: Sequence[Progress] = ()) -> Landing:
        """Hand over what was gathered, with its progress, and start again with nothing."""
        taken = Landing(
            endpoint=self.endpoint,
            records=concatenated(self._records, empty_frame(self.endpoint.table)),
            rejects=concatenated(self._rejects, empty_frame(REJECTED_RECORDS)),
            seen=concatenated(self._seen, empty_frame(SEEN)),
            progress=progress,
        )
        self._records, self._rejects, self._seen = [], [], []
        return taken
