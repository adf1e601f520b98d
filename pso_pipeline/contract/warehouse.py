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

_REFRESH_COLUMNS = (
    Column("refresh_id", "VARCHAR", "Its run, or what its runs have as the tag pso/refresh_id."),
    Column("requested_by", "VARCHAR", "The schedule or sensor that requested it, or person."),
    Column("started_utc", "TIMESTAMP", "When it began, by the clock of its machine."),
    Column(
        "ended_utc",
        "TIMESTAMP",
        "When it had read and computed everything and began to publish; null where it did not come so far.",
    ),
    Column("hotels_read", "BIGINT", "Hotels whose orders it was to read."),
    Column("hotels_failed", "BIGINT", "Of them, those that could not be read."),
    Column("orders_created", "BIGINT", "Orders that it read for the first time."),
    Column("orders_changed", "BIGINT", "Known orders of which it read a new version."),
    Column("records_rejected", "BIGINT", "Records that could not be read, for the first time."),
    Column("requests", "BIGINT", "Requests for records, repeated ones too; not those that list hotels and services."),
    Column("bytes_received", "BIGINT", "Bytes of the answers to these requests."),
    Column("seconds", "DOUBLE", "From started_utc to ended_utc; null where that is."),
    Column("cpu_seconds", "DOUBLE", "CPU time of its processes up to the publication."),
)

REFRESHES = Table(
    schema="mews",
    name="refreshes",
    description="What each refresh read and what it cost, those of the last 90 days.",
    key=("refresh_id",),
    columns=_REFRESH_COLUMNS,
)

SEEN_SCHEMA = Table(
    schema="mews",
    name="seen_schema",
    description="Every field that the API sent, and every value of fields with documented values, first and last.",
    key=("operation", "field", "value"),
    columns=(
        Column("operation", "VARCHAR", "Operation of the API."),
        Column("field", "VARCHAR", "The field, dotted where nested."),
        Column("value", "VARCHAR", "The value; null in the row of the field itself."),
        Column("first_seen_utc", "TIMESTAMP", "When the first record with it was read."),
        Column("last_seen_utc", "TIMESTAMP", "When a record with it was read on the last day that had one."),
        Column("days_seen", "BIGINT", "Days (UTC) on which any record with it was read."),
        Column(
            "first_day", "BIGINT", "Number of the first of these days, counting those on which any record was read."
        ),
        Column("last_day", "BIGINT", "Number of the last of these days, counted the same way."),
    ),
)

OWN_TABLES = (REJECTED_RECORDS, SYNC_STATE, REFRESHES, SEEN_SCHEMA)
"""The tables that belong to no endpoint and that readers may look into."""


def warehouse_tables(endpoints: Iterable[Endpoint] = ENDPOINTS) -> tuple[Table, ...]:
    """List the documented tables and views of these endpoints, then those of the pipeline itself."""
    tables: list[Table] = []
    for endpoint in endpoints:
        tables.append(endpoint.table)
        if endpoint.keeps_versions:
            tables.append(endpoint.versions_view)
    return (*tables, *OWN_TABLES)


WAREHOUSE_TABLES = warehouse_tables()
