"""Maintenance of a DuckLake: small files become large ones, old snapshots and the files that only they need go.

Every landing adds files to a lake and every transaction a snapshot. DuckLake's own functions put that right; this
module says in which order they are called, and under which locks. A warehouse in a file needs none of it.
"""

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from pso_pipeline.warehouse.sql import first_row
from pso_pipeline.warehouse.writing import EVERYTHING, write

TIDY = (
    "CALL ducklake_flush_inlined_data('warehouse')",
    "CALL ducklake_rewrite_data_files('warehouse')",
    "CALL ducklake_merge_adjacent_files('warehouse')",
)
"""Writes rows that are in the catalog into files, leaves deleted rows out of files, joins small files."""

# their rows have times with a zone, for which Python would need another package
EXPIRE = "SELECT count(*) FROM ducklake_expire_snapshots('warehouse', older_than => $before::TIMESTAMPTZ)"
CLEAN_UP = "SELECT count(*) FROM ducklake_cleanup_old_files('warehouse', older_than => $before::TIMESTAMPTZ)"

STATE = """
    SELECT
        (SELECT coalesce(sum(file_count + delete_file_count), 0)::BIGINT FROM ducklake_table_info('warehouse')),
        (SELECT count(*) FROM ducklake_table_info('warehouse')),
        (SELECT count(*) FROM ducklake_snapshots('warehouse')),
        (SELECT epoch(min(snapshot_time)) FROM ducklake_snapshots('warehouse'))
"""


@dataclass(frozen=True, slots=True)
class LakeState:
    """What a lake holds: files and tables, snapshots and the time of the oldest one, in UTC."""

    files: int
    tables: int
    snapshots: int
    oldest_snapshot_utc: datetime


def read_lake_state(connection: duckdb.DuckDBPyConnection) -> LakeState:
    """Read how many files and snapshots a lake has."""
    files, tables, snapshots, oldest = first_row(connection, STATE) or (0, 0, 0, 0.0)
    return LakeState(files, tables, snapshots, datetime.fromtimestamp(oldest, UTC))


def maintain(connection: duckdb.DuckDBPyConnection, keep: timedelta, now: datetime | None = None) -> int:
    """Join small files, forget snapshots older than `keep`, and delete the files that nobody needs; return how many.

    A frozen copy of the catalog can be read as long as its snapshot is kept. `now` is aware. Each statement is
    a transaction of its own: DuckLake does not commit two of them together, and a file is deleted only after the
    transaction that gave it up.

    Raises:
        WarehouseBusy: Another process has been writing for longer than the connection waits.
    """
    before = {"before": ((now or datetime.now(UTC)) - keep).isoformat()}
    for statement in TIDY:
        write(connection, functools.partial(first_row, connection, statement), *EVERYTHING)
    write(connection, lambda: first_row(connection, EXPIRE, before), *EVERYTHING)
    (deleted,) = write(connection, lambda: first_row(connection, CLEAN_UP, before), *EVERYTHING) or (0,)
    return int(deleted)
