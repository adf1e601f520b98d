"""Pages gathered into what one landing takes.

Holds the columns of a landed record that are the pipeline's own. When a batch is full is decided by the caller.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from pso_pipeline.contract.columns import Column, Table
from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.contract.warehouse import REJECTED_RECORDS
from pso_pipeline.ingestion.frames import concatenated, empty_frame, rejects_frame, table_frame
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
    _records: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    _rejects: list[pd.DataFrame] = field(default_factory=list)
    _seen: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def add(self, page: Page, fetched_utc: datetime) -> None:
        """Add a page that was read at `fetched_utc` by the server's clock."""
        scopes = page.rows[self.endpoint.scope_column]
        ours = {
            "enterprise_id": page.rows.get("enterprise_id") or [self.enterprise_of.get(scope) for scope in scopes],
            "is_missing_from_source": [False] * len(scopes),
            "fetched_utc": [fetched_utc] * len(scopes),
        }
        _extend(self._records, {**page.rows, **ours})
        if page.rejects:
            operation = self.endpoint.operation
            self._rejects.append(rejects_frame(operation, page.rejects, fetched_utc, self.enterprise_of))
        if self.keeps_ids:
            seen = {
                "scope_id": [*scopes, *(reject.scope_id for reject in page.rejects)],
                "id": [*page.rows["id"], *(reject.id for reject in page.rejects)],
            }
            _extend(self._seen, seen)

    def take(self, progress: Sequence[Progress] = ()) -> Landing:
        """Hand over what was gathered, with its progress, and start again with nothing."""
        taken = Landing(
            endpoint=self.endpoint,
            records=_frame(self.endpoint.table, self._records),
            rejects=concatenated(self._rejects, empty_frame(REJECTED_RECORDS)),
            seen=_frame(SEEN, self._seen),
            progress=progress,
        )
        self._records.clear()
        self._rejects.clear()
        self._seen.clear()
        return taken


def _extend(gathered: dict[str, list[Any]], columns: Mapping[str, Sequence[Any]]) -> None:
    for name, values in columns.items():
        gathered[name].extend(values)


def _frame(table: Table, columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    return table_frame(table, columns, len(columns["id"])) if columns else empty_frame(table)
