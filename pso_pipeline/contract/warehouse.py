"""The tables of schema `mews`: those of the endpoints, and the pipeline's own that readers may look into.

Add a table here that belongs to no endpoint, and a migration in `warehouse/migrations`. The columns of an endpoint are
in `endpoints`.
"""

from collections.abc import Iterable

from pso_pipeline.contract.columns import Column, Table
from pso_pipeline.contract.endpoints import ENDPOINTS, Endpoint

REJECTED_RECORDS = Table(
    schema="mews",
    name="rejected_records",
    description="Records of the API that could not be read, kept as they came.",
    key=("operation", "record"),
    columns=(
        Column("operation", "VARCHAR", "Operation of the API that answered with the record."),
        Column("enterprise_id", "VARCHAR", "Hotel of the record, where it is known."),
        Column("reason", "VARCHAR", "What was wrong with the record."),
        Column("record", "JSON", "The record as the API sent it."),
        Column("observed_utc", "TIMESTAMP", "When it was first seen, by the server's clock."),
    ),
)

SYNC_STATE = Table(
    schema="mews",
    name="sync_state",
    description="How far each scope of each endpoint has been read: a service, for product service orders.",
    key=("endpoint", "scope_id"),
    columns=(
        Column("endpoint", "VARCHAR", "Endpoint of the API, by the name of its table."),
        Column("scope_id", "VARCHAR", "What is read on its own: a service or an enterprise."),
        Column("enterprise_id", "VARCHAR", "Hotel that it belongs to."),
        Column(
            "watermark_utc",
            "TIMESTAMP",
            "Every change up to here has landed, by the server's clock; null before the first full read is complete.",
        ),
        Column(
            "full_read_started_utc",
            "TIMESTAMP",
            "When the unfinished full read began, by the server's clock.",
        ),
        Column("full_read_cursor", "VARCHAR", "Cursor that continues the unfinished full read."),
        Column("full_read_records", "BIGINT", "Records that the unfinished full read has landed."),
        Column(
            "resync_started_utc",
            "TIMESTAMP",
            "When the full resync began that has read this scope to its end and not yet all others of its hotel.",
        ),
        Column("last_success_utc", "TIMESTAMP", "When the scope was last read to the end without a failure."),
        Column("last_error", "VARCHAR", "Why the last read failed; null after a success."),
        Column("revision", "BIGINT", "Goes up with each landing that changed a record of the scope."),
    ),
)


def warehouse_tables(endpoints: Iterable[Endpoint] = ENDPOINTS) -> tuple[Table, ...]:
    """List the documented tables and views of these endpoints, then those of the pipeline itself."""
    tables: list[Table] = []
    for endpoint in endpoints:
        tables.append(endpoint.table)
        if endpoint.keeps_versions:
            tables.append(endpoint.versions_view)
    return (*tables, REJECTED_RECORDS, SYNC_STATE)


WAREHOUSE_TABLES = warehouse_tables()
