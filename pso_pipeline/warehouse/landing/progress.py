"""How far each scope has been read: the rows of `mews.sync_state`, written in the transaction that lands the records.

Add a kind of progress here with its statement in `progress.sql`. What to read next from a given state is decided in
`ingestion/plan.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb
import pyarrow as pa

from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.warehouse.landing.frames import TIMESTAMP, registered, rows_of_records
from pso_pipeline.warehouse.landing.statements import sql


@dataclass(frozen=True, slots=True)
class FullReadProgress:
    """An unfinished full read of a scope: it began at `started_utc`, and `cursor` continues it.

    `is_resync` says that the scope had been read before; a null `started_utc` gives the read up.
    """

    scope_id: str
    enterprise_id: str
    started_utc: datetime | None
    cursor: str | None
    records: int
    is_resync: bool


@dataclass(frozen=True, slots=True)
class Completed:
    """A scope was read to the end: all its changes up to `watermark_utc` have landed.

    `is_full` says that this ends its unfinished full read, `resync_started_utc` when that began where it was a resync.
    A null watermark leaves the stored one.
    """

    scope_id: str
    enterprise_id: str
    watermark_utc: datetime | None
    succeeded_utc: datetime
    is_full: bool
    resync_started_utc: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A scope could not be read: `error` is the one line that people see."""

    scope_id: str
    enterprise_id: str
    error: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The API refuses a service that whole listings lack: it is retired at `retired_utc`, kept where that is null."""

    scope_id: str
    enterprise_id: str
    unlisted_utc: datetime
    retired_utc: datetime | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A landing added or changed records of a scope."""

    scope_id: str
    enterprise_id: str


Progress = FullReadProgress | Completed | Failed | Gone | Changed

_STATEMENTS = {
    FullReadProgress: ("progress", "full_read"),
    Completed: ("progress", "completed"),
    Failed: ("progress", "failed"),
    Gone: ("listings", "retire"),
    Changed: ("progress", "changed"),
}
PROGRESS_SCHEMA = pa.schema(
    {
        "scope_id": pa.string(),
        "enterprise_id": pa.string(),
        "started_utc": TIMESTAMP,
        "cursor": pa.string(),
        "records": pa.int64(),
        "is_resync": pa.bool_(),
        "watermark_utc": TIMESTAMP,
        "succeeded_utc": TIMESTAMP,
        "is_full": pa.bool_(),
        "error": pa.string(),
        "resync_started_utc": TIMESTAMP,
        "unlisted_utc": TIMESTAMP,
        "retired_utc": TIMESTAMP,
    }
)


def record(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, progress: Sequence[Progress]) -> None:
    """Write progress of any kinds; for one scope and kind the last one counts.

    A scope that was completed twice, a full read and the interval after it, has completed both.
    """
    ended = {each.scope_id: each for each in progress if isinstance(each, Completed) and each.is_full}
    for kind, (file, name) in _STATEMENTS.items():
        latest: dict[str, Progress] = {each.scope_id: each for each in progress if isinstance(each, kind)}
        for scope_id, each in latest.items():
            if isinstance(each, Completed) and scope_id in ended:
                began = ended[scope_id].resync_started_utc
                latest[scope_id] = replace(each, is_full=True, resync_started_utc=began)
        if latest:
            with registered(connection, rows_of_records("progress", latest.values(), PROGRESS_SCHEMA)):
                connection.execute(sql(file, name, endpoint))
