"""How far each service has been read: the rows of `mews.sync_state`, written in the transaction that lands the orders.

Add a kind of progress here with its statement. What to read next from a given state is decided in `ingestion/plan.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb
import pyarrow as pa

from pso_pipeline.warehouse.landing.frames import TIMESTAMP, registered, rows_of_records
from pso_pipeline.warehouse.sql import statement


@dataclass(frozen=True, slots=True)
class FullReadProgress:
    """An unfinished full read of a service: it began at `started_utc`, and `cursor` continues it.

    `is_resync` says that the service had been read before; a null `started_utc` gives the read up.
    """

    service_id: str
    enterprise_id: str
    started_utc: datetime | None
    cursor: str | None
    orders: int
    is_resync: bool


@dataclass(frozen=True, slots=True)
class Completed:
    """A service was read to the end: all its changes up to `watermark_utc` have landed.

    `is_full` says that this ends its unfinished full read, `resync_started_utc` when that began where it was a resync.
    A null watermark leaves the one that stands.
    """

    service_id: str
    enterprise_id: str
    watermark_utc: datetime | None
    succeeded_utc: datetime
    is_full: bool
    resync_started_utc: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A service could not be read: `error` is the one line that people see."""

    service_id: str
    enterprise_id: str
    error: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The API refuses a service that whole listings lack: it is retired at `retired_utc`, kept where that is null."""

    service_id: str
    enterprise_id: str
    unlisted_utc: datetime
    retired_utc: datetime | None


@dataclass(frozen=True, slots=True)
class Revised:
    """A landing added or changed orders of a service."""

    service_id: str
    enterprise_id: str


Progress = FullReadProgress | Completed | Failed | Gone | Revised

_STATEMENTS = {
    FullReadProgress: "landing/record_full_read.sql",
    Completed: "landing/record_completed.sql",
    Failed: "landing/record_failed.sql",
    Gone: "landing/record_gone.sql",
    Revised: "landing/raise_revision.sql",
}
SERVICE_SCHEMA = pa.schema(
    {
        "service_id": pa.string(),
        "enterprise_id": pa.string(),
        "started_utc": TIMESTAMP,
        "cursor": pa.string(),
        "orders": pa.int64(),
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


def record(connection: duckdb.DuckDBPyConnection, progress: Sequence[Progress]) -> None:
    """Write progress of any kinds; for one service and kind the last one counts.

    A service that was completed twice, a full read and the interval after it, has completed both.
    """
    ended = {each.service_id: each for each in progress if isinstance(each, Completed) and each.is_full}
    for kind, name in _STATEMENTS.items():
        latest: dict[str, Progress] = {each.service_id: each for each in progress if isinstance(each, kind)}
        for service_id, each in latest.items():
            if isinstance(each, Completed) and service_id in ended:
                began = ended[service_id].resync_started_utc
                latest[service_id] = replace(each, is_full=True, resync_started_utc=began)
        if latest:
            with registered(connection, rows_of_records("progress", latest.values(), SERVICE_SCHEMA)):
                connection.execute(statement(name))
