"""What refreshes did: noted in `mews.refreshes` by their runs, and copied into the marts before they are published.

Add a figure of a refresh as a column of `contract/warehouse.py` and a field of `Noted`. Who measures it, and when a
refresh counts as ended, belongs to the callers.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from pso_pipeline.contract.marts import OPS_REFRESHES
from pso_pipeline.contract.warehouse import REFRESHES
from pso_pipeline.warehouse.sql import first_row, statement
from pso_pipeline.warehouse.writing import Part, writes

KEPT_FOR = timedelta(days=90)
"""How long the row of a refresh stays in the warehouse."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What one run of a refresh adds to its row: counts, the CPU seconds of its process, and the end where it ends it.

    Times are aware.
    """

    refresh_id: str
    requested_by: str
    started_utc: datetime
    ended_utc: datetime | None = None
    hotels_read: int = 0
    hotels_failed: int = 0
    orders_created: int = 0
    orders_changed: int = 0
    records_rejected: int = 0
    requests: int = 0
    bytes_received: int = 0
    cpu_seconds: float = 0.0


@writes(Part.LANDED)
def note_refresh(connection: duckdb.DuckDBPyConnection, noted: Noted) -> None:
    """Add what a run did to the row of its refresh, which its first run makes; rows of long ago are removed."""
    values = asdict(noted)
    for name in ("started_utc", "ended_utc"):
        if values[name] is not None:
            values[name] = values[name].astimezone(UTC).replace(tzinfo=None)
    connection.execute(statement("queries/note_refresh.sql"), values)
    connection.execute(
        f"DELETE FROM {REFRESHES.qualified_name} WHERE started_utc < ?",  # noqa: S608  # the contract's name
        [values["started_utc"] - KEPT_FOR],
    )


@writes(Part.MARTS)
def copy_refreshes(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring `mart.ops_refreshes` up to date, with a new version of it where a row was added or changed."""
    table, columns = OPS_REFRESHES.qualified_name, ", ".join(OPS_REFRESHES.column_names)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE changes AS {statement('marts/ops_refreshes.sql')}")
    lacks = f"SELECT 1 FROM (SELECT {columns} FROM changes EXCEPT SELECT {columns} FROM {table}) LIMIT 1"  # noqa: S608  # the contract's names
    if first_row(connection, lacks):
        connection.execute(statement("queries/copy_refreshes.sql"))
        connection.execute(f"DELETE FROM {table} WHERE refresh_id NOT IN (SELECT refresh_id FROM changes)")  # noqa: S608  # the contract's name
        connection.execute(statement("queries/new_version.sql"), {"table": OPS_REFRESHES.name})
    connection.execute("DROP TABLE changes")
