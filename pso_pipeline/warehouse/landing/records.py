"""Landing records: newest version wins, every version kept once, nothing twice, nothing dropped.

Holds the order of the statements for any endpoint that keeps versions. The lock of the one writer replaces the key that
DuckLake does not have.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pandas as pd

from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.warehouse.accounts import REJECTS, without_forgotten
from pso_pipeline.warehouse.landing.frames import registered, rows_of_frame
from pso_pipeline.warehouse.landing.progress import Changed, Progress, record
from pso_pipeline.warehouse.landing.statements import sql
from pso_pipeline.warehouse.sql import first_row
from pso_pipeline.warehouse.writing import Part, writes


@dataclass(frozen=True, slots=True)
class Landing:
    """What one transaction brings.

    `records` has the columns of the endpoint's table, one row for each record read, in any order and with any
    repetition; `rejects` those of `mews.rejected_records`; `seen` (scope_id, id) what full resyncs saw on these pages.
    """

    endpoint: Endpoint
    records: pd.DataFrame
    rejects: pd.DataFrame
    seen: pd.DataFrame
    progress: Sequence[Progress] = ()


@dataclass(frozen=True, slots=True)
class ScopeCount:
    """How many records of a scope a landing added, how many it changed, and how many rows it `affected`.

    Older versions count among these, and records that moved to another scope or from one. `is_tied` says that it
    brought versions with the same `updated_utc`. The enterprise is null where no service list named the service yet.
    """

    scope_id: str
    enterprise_id: str | None
    created: int
    changed: int
    affected: int
    is_tied: bool


@dataclass(frozen=True, slots=True)
class Landed:
    """What one landing did: the scopes whose records changed, and how many records were newly kept as rejected."""

    scopes: Sequence[ScopeCount]
    rejected: int


@writes(Part.LANDED)
def land_records(connection: duckdb.DuckDBPyConnection, landing: Landing) -> Landed:
    """Land records, rejects and progress in one transaction; landing the same again changes nothing."""
    endpoint = landing.endpoint
    counts: list[ScopeCount] = []
    if len(landing.records):
        table = endpoint.table.qualified_name
        frame = without_forgotten(connection, table, rows_of_frame("frame", landing.records))
        with registered(connection, frame):
            counts = _land_frame(connection, endpoint)
    rejected = keep_rejects(connection, landing.rejects)
    if len(landing.seen):
        with registered(connection, rows_of_frame("seen", landing.seen)):
            connection.execute(sql("missing", "keep_seen", endpoint))
    record(connection, endpoint, landing.progress)
    return Landed([each for each in counts if each.created or each.changed], rejected)


def keep_rejects(connection: duckdb.DuckDBPyConnection, rejects: pd.DataFrame) -> int:
    """Keep records that could not be read, each once; return how many were not kept before. The caller commits."""
    if not len(rejects):
        return 0
    with registered(connection, without_forgotten(connection, REJECTS, rows_of_frame("rejects", rejects))):
        (kept,) = first_row(connection, sql("rejects", "keep")) or (0,)
    return int(kept)


def _land_frame(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> list[ScopeCount]:
    """Land the records of the relation `frame`."""
    if first_row(connection, sql("merge", "are_all_new", endpoint)) == (True,):
        connection.execute(sql("merge", "insert_all", endpoint))
        counts = _counts(connection, endpoint, "count_all")
        note = "note_all"
    else:
        connection.execute(sql("versions", "rank", endpoint))
        counts = _counts(connection, endpoint, "count_ranked")
        connection.execute(sql("versions", "keep_superseded", endpoint))
        if any(each.is_tied for each in counts):
            connection.execute(sql("versions", "drop_current_again", endpoint))
        if any(each.created for each in counts):
            connection.execute(sql("merge", "insert_new", endpoint))
        if any(each.changed for each in counts):
            connection.execute(sql("merge", "update_changed", endpoint))
        note = "note_changed"
    changed = [Changed(each.scope_id, each.enterprise_id) for each in counts if each.enterprise_id and each.affected]
    if changed:
        record(connection, endpoint, changed)
        connection.execute(sql("merge", note, endpoint))
    return counts


def _counts(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, name: str) -> list[ScopeCount]:
    return [ScopeCount(*row) for row in connection.execute(sql("merge", name, endpoint)).fetchall()]
