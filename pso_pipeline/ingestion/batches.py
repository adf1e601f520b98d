"""Pages gathered into what one landing takes.

Holds the columns of a landed record that are the pipeline's own. When a batch is full is decided by the caller.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import pandas as pd

from pso_pipeline.contract.columns import Column, Table
from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.contract.warehouse import REJECTED_RECORDS
from pso_pipeline.ingestion.frames import concatenated, empty_frame, rejects_frame, table_frame
from pso_pipeline.mews.pagination import Page
from pso_pipeline.mews.records import Rows
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
    enterprise. `keeps_ids` gathers which records a full resync saw, unreadable ones included. Records of the
    `left_out_kinds` do not land, and `left_out` counts them. `language_of` has the language of each enterprise.
    """

    endpoint: Endpoint
    enterprise_of: Mapping[str, str]
    keeps_ids: bool = False
    left_out_kinds: Collection[str] = ()
    language_of: Mapping[str, str | None] = field(default_factory=dict)
    left_out: int = 0
    _records: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    _rejects: list[pd.DataFrame] = field(default_factory=list)
    _seen: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def add(self, page: Page, fetched_utc: datetime) -> None:
        """Add a page that was read at `fetched_utc` by the server's clock."""
        rows = self._wanted(page.rows)
        scopes = rows[self.endpoint.scope_column]
        enterprises = rows.get("enterprise_id") or [self.enterprise_of.get(scope) for scope in scopes]
        ours: dict[str, list[Any]] = {
            "enterprise_id": enterprises,
            "is_missing_from_source": [False] * len(scopes),
            "fetched_utc": [fetched_utc] * len(scopes),
        }
        for name, source in self.endpoint.localized:
            ours[name] = [
                _in_language(texts, self.language_of.get(enterprise or ""))
                for texts, enterprise in zip(rows[source], enterprises, strict=True)
            ]
        _extend(self._records, {**rows, **ours})
        if page.rejects:
            operation = self.endpoint.operation
            self._rejects.append(rejects_frame(operation, page.rejects, fetched_utc, self.enterprise_of))
        if self.keeps_ids:
            seen = {
                "scope_id": [*page.rows[self.endpoint.scope_column], *(reject.scope_id for reject in page.rejects)],
                "id": [*page.rows["id"], *(reject.id for reject in page.rejects)],
            }
            _extend(self._seen, seen)

    def _wanted(self, rows: Rows) -> Rows:
        """Leave out the records of kinds that are not kept, and count them."""
        if not self.left_out_kinds:
            return rows
        kinds = rows[self.endpoint.kind_column]
        kept = [place for place, kind in enumerate(kinds) if kind not in self.left_out_kinds]
        self.left_out += len(kinds) - len(kept)
        if len(kept) == len(kinds):
            return rows
        return {name: [values[place] for place in kept] for name, values in rows.items()}

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


def _in_language(texts: str | None, language: str | None) -> str | None:
    """Choose, of an object with a text in each language, the one in this language, else any; None without a text."""
    try:
        found = _TEXTS.decode(texts or "{}")
    except msgspec.DecodeError:
        return None
    return found.get(language or "") or next(filter(None, found.values()), None)


_TEXTS = msgspec.json.Decoder(dict[str, str | None])


def _extend(gathered: dict[str, list[Any]], columns: Mapping[str, Sequence[Any]]) -> None:
    for name, values in columns.items():
        gathered[name].extend(values)


def _frame(table: Table, columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    return table_frame(table, columns, len(columns["id"])) if columns else empty_frame(table)
