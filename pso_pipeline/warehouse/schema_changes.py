"""What the API sends: which fields and values were seen when, and which of them were added or are missing now.

Noted in `mews.seen_schema` once a day, copied into `mart.ops_schema_changes` before the marts are published. When a
change counts as one is in `marts/ops_schema_changes.sql`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import duckdb

from pso_pipeline.contract.columns import Column
from pso_pipeline.contract.endpoints import ENDPOINTS, Endpoint
from pso_pipeline.contract.marts import OPS_SCHEMA_CHANGES
from pso_pipeline.contract.warehouse import SEEN_SCHEMA
from pso_pipeline.warehouse.sql import fill, first_row, literal, literal_list, statement
from pso_pipeline.warehouse.writing import Part, write, writes

LANDING_TIME = timedelta(minutes=10)
"""A record may land this long after it was read, and after records that another process read later."""

DOCUMENTED = """
    CREATE OR REPLACE TEMP TABLE documented AS
    SELECT unnest($operations) AS operation, unnest($fields) AS field, unnest($values::VARCHAR[]) AS value
"""


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A field, or a value of it, that Mews `added` or has `stopped` sending."""

    operation: str
    field: str
    value: str | None
    change: str

    def describe(self) -> str:
        """Describe the change in a few words."""
        what = f"{self.field} {self.value}" if self.value is not None else self.field
        return (
            f"{self.operation}: {what} was added" if self.change == "added" else f"{self.operation}: {what} is missing"
        )


def observe_schema(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Note the fields and values of all records that were read since the last time; `now` is aware.

    Listings keep no time at which a record was read: once a day, what they have counts as read now. Of them only the
    fields are noted that have a column.
    """
    for endpoint in ENDPOINTS:
        _observe(connection, endpoint, now.astimezone(UTC).replace(tzinfo=None))


def _observe(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, now: datetime) -> None:
    operation = {"operation": endpoint.operation}
    (last,) = first_row(
        connection,
        f"SELECT max(last_seen_utc) FROM {SEEN_SCHEMA.qualified_name} WHERE operation = $operation",  # noqa: S608  # the contract's name
        operation,
    ) or (None,)
    if not endpoint.keeps_versions and last is not None and last.date() == now.date():
        return
    since = last - LANDING_TIME if last else datetime.min  # noqa: DTZ901  # the warehouse has times without a zone
    connection.execute(_seen(endpoint), {"since": since} if endpoint.keeps_versions else {"since": since, "now": now})
    connection.execute(statement("queries/seen_days.sql"), operation)
    connection.execute(statement("queries/new_seen_schema.sql"), operation)
    if first_row(connection, "SELECT 1 FROM new_seen LIMIT 1"):
        write(connection, lambda: connection.execute(statement("queries/merge_seen_schema.sql")), Part.LANDED)
    connection.execute("DROP TABLE seen; DROP TABLE seen_days; DROP TABLE new_seen")


@cache
def _seen(endpoint: Endpoint) -> str:
    names = {
        "table": endpoint.table.qualified_name,
        "seen": "fetched_utc" if endpoint.keeps_versions else "$now::TIMESTAMP",
        "fields": ", ".join(map(_times_of, endpoint.fields)),
        # listings have many documented fields that no column takes
        "nested": _unmapped_fields(endpoint) if endpoint.keeps_versions else "[]::VARCHAR[]",
        "values": " UNION ALL ".join(_values_of(each) for each in endpoint.fields if each.values)
        or "SELECT NULL, NULL, NULL, NULL, NULL WHERE FALSE",
    }
    return fill(statement("queries/seen_schema.sql"), names)


def _times_of(column: Column) -> str:
    there = f"FILTER (WHERE {column.name} IS NOT NULL)"
    times = f"'first_utc': min(seen_utc) {there}, 'last_utc': max(seen_utc) {there}"
    return f"{{'field': {literal(str(column.path))}, {times}}}"


def _values_of(column: Column) -> str:
    return (
        f"SELECT {literal(str(column.path))}, {column.name}, min(seen_utc), max(seen_utc), CAST(seen_utc AS DATE)"  # noqa: S608  # the contract's names
        f" FROM records WHERE {column.name} IS NOT NULL GROUP BY {column.name}, CAST(seen_utc AS DATE)"
    )


def _unmapped_fields(endpoint: Endpoint) -> str:
    """Write a list of the unmapped fields of a record; those of an object with columns are dotted."""
    paths = [*(str(column.path) for column in endpoint.fields), *endpoint.unmapped]
    objects = sorted({path.partition(".")[0] for path in paths if "." in path})
    outer = f"list_filter(json_keys(extra), lambda name: NOT list_contains({literal_list(objects)}::VARCHAR[], name))"
    inner = [
        f"list_transform(coalesce(json_keys(extra, '$.{each}'), []), lambda name: {literal(f'{each}.')} || name)"
        for each in objects
    ]
    return f"list_concat({', '.join([outer, *inner])})" if inner else outer


def _documented() -> Iterator[tuple[str, str, str | None]]:
    for endpoint in ENDPOINTS:
        for path in (*(str(column.path) for column in endpoint.fields), *endpoint.unmapped):
            yield endpoint.operation, path, None
        for column in endpoint.fields:
            for value in column.values:
                yield endpoint.operation, str(column.path), value


def _prepare(connection: duckdb.DuckDBPyConnection) -> str:
    operations, fields, values = map(list, zip(*_documented(), strict=True))
    connection.execute(DOCUMENTED, {"operations": operations, "fields": fields, "values": values})
    return statement("marts/ops_schema_changes.sql")


def read_schema_changes(connection: duckdb.DuckDBPyConnection) -> list[SchemaChange]:
    """List what was added or is missing now."""
    changes = _prepare(connection)
    rows = connection.execute(f"SELECT operation, field, value, change FROM ({changes}) ORDER BY ALL").fetchall()  # noqa: S608  # a packaged statement
    return [SchemaChange(*row) for row in rows]


@writes(Part.MARTS)
def copy_schema_changes(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring `mart.ops_schema_changes` up to date, with a new version of it where anything changed."""
    table = OPS_SCHEMA_CHANGES.qualified_name
    connection.execute(f"CREATE OR REPLACE TEMP TABLE changes AS {_prepare(connection)}")
    different = "SELECT 1 FROM ((FROM changes EXCEPT FROM {0}) UNION ALL (FROM {0} EXCEPT FROM changes)) LIMIT 1"
    if first_row(connection, different.format(table)):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608  # the contract's name
        connection.execute(f"INSERT INTO {table} FROM changes")
        connection.execute(statement("queries/new_version.sql"), {"table": OPS_SCHEMA_CHANGES.name})
    connection.execute("DROP TABLE changes; DROP TABLE documented")
