"""The tables of schema `mews`: made from the endpoints, brought up to date by additions and numbered migrations.

Holds DDL and the warehouse's own version. A new endpoint and a new column need no file: what is missing is added on
opening. Any other change of a table is one file in `migrations/`, named by the version that it leads to. The marts are
not here: they can always be computed again.
"""

from collections.abc import Collection, Iterable

import duckdb

from pso_pipeline.contract.columns import Column, Table
from pso_pipeline.contract.endpoints import ENDPOINTS, Endpoint
from pso_pipeline.contract.warehouse import REJECTED_RECORDS, SYNC_STATE
from pso_pipeline.warehouse.errors import WarehouseMixed, WarehouseTooNew, WarehouseUnusable
from pso_pipeline.warehouse.sql import first_row, literal, statement, transaction

SCHEMA_VERSION = 5
"""Version of the tables that this package reads and writes."""

INTERNAL_TABLES = (
    "access_tokens",
    "account_key",
    "changed_records",
    "forgotten_accounts",
    "full_read_ids",
    "missing_candidates",
    "service_listings",
)
"""Tables that no reader looks into; each has a file in `tables/` that says what it is for."""

_COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_catalog = 'warehouse' AND table_schema = 'mews'
"""


def prepare(
    connection: duckdb.DuckDBPyConnection, source: str | None = None, endpoints: Iterable[Endpoint] = ENDPOINTS
) -> None:
    """Make the tables, or bring them up to date, in one transaction.

    `source` says what kind of source fills the warehouse, `loopback` or `remote`; None where nothing will be written.

    Raises:
        WarehouseTooNew: A newer version of the package made the tables.
        WarehouseUnusable: An older version did, and they could not be migrated; they are as they were.
        WarehouseMixed: Another kind of source filled them.
    """
    known = _read_info(connection)
    if known is None:
        with transaction(connection):
            create_tables(connection, source, endpoints)
        return
    version, filled_from = known
    if version > SCHEMA_VERSION:
        raise WarehouseTooNew(
            f"the warehouse has table version {version}, and this pso_pipeline knows {SCHEMA_VERSION} at most: "
            "upgrade pso_pipeline"
        )
    if source and filled_from and source != filled_from:
        raise WarehouseMixed(
            f"the warehouse holds data from a {filled_from} API and MEWS_PLATFORM_ADDRESS is a {source} one: "
            "set PSO_WAREHOUSE to a file of its own, so that the sandbox's data and real data never mix"
        )
    if version < SCHEMA_VERSION or (source and not filled_from):
        with transaction(connection):
            _migrate(connection, version)
            connection.execute(
                "UPDATE mews.warehouse_info SET schema_version = ?, source = coalesce(source, ?)",
                [SCHEMA_VERSION, source],
            )
    described = list(endpoints)
    _add_what_is_missing(connection, described)
    if version < SCHEMA_VERSION:
        with transaction(connection):
            for endpoint in described:
                _comment_on_tables_of(connection, endpoint)


def read_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return the version of the tables; None where there are none."""
    known = _read_info(connection)
    return None if known is None else known[0]


def create_tables(
    connection: duckdb.DuckDBPyConnection, source: str | None = None, endpoints: Iterable[Endpoint] = ENDPOINTS
) -> None:
    """Make every table and view of schema `mews` in the current warehouse, with their comments.

    `source` as in `prepare`.
    """
    connection.execute(statement("tables/warehouse_info.sql"))
    connection.execute("INSERT INTO mews.warehouse_info VALUES (?, ?, uuid(), NULL)", [SCHEMA_VERSION, source])
    for name in INTERNAL_TABLES:
        connection.execute(statement(f"tables/{name}.sql"))
    for table in (REJECTED_RECORDS, SYNC_STATE):
        _create_table(connection, table)
    for endpoint in endpoints:
        _create_tables_of(connection, endpoint)


def table_ddl(table: Table) -> str:
    """Write the CREATE TABLE of a contract's table: no keys and no constraints, which DuckLake does not have."""
    columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
    return f"CREATE TABLE IF NOT EXISTS {table.qualified_name} ({columns})"


def _migrate(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    """Bring tables of an older version up to date; the caller commits, and nothing has changed where this raises."""
    try:
        for step in range(version + 1, SCHEMA_VERSION + 1):
            connection.execute(statement(f"migrations/{step:04d}.sql"))
        if version < SCHEMA_VERSION:
            for table in (REJECTED_RECORDS, SYNC_STATE):
                _comment_on(connection, table, table.columns)
    except duckdb.Error as error:
        raise WarehouseUnusable(
            f"the warehouse stays at table version {version}, since it could not be migrated to {SCHEMA_VERSION}: "
            f"{str(error).splitlines()[0]}"
        ) from None


def _create_table(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    connection.execute(table_ddl(table))
    _comment_on(connection, table, table.columns)


def _create_tables_of(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> None:
    for table in _stored_tables(endpoint):
        connection.execute(table_ddl(table))
    if endpoint.keeps_versions:
        _create_versions_view(connection, endpoint)
    _comment_on_tables_of(connection, endpoint)


def _stored_tables(endpoint: Endpoint) -> list[Table]:
    return [endpoint.table, endpoint.superseded_table] if endpoint.keeps_versions else [endpoint.table]


def _create_versions_view(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> None:
    """Show current and superseded versions together.

    Most records never change after the first read, so a current version is not stored twice: it was first seen when it
    was fetched, since a version that is read again keeps the time of its first reading.
    """
    connection.execute(
        f"CREATE OR REPLACE VIEW {endpoint.versions_view.qualified_name} AS"  # noqa: S608  # names of the contract
        f" SELECT *, fetched_utc AS observed_utc FROM {endpoint.table.qualified_name}"
        f" UNION ALL BY NAME SELECT * FROM {endpoint.superseded_table.qualified_name}"
    )


def _add_what_is_missing(connection: duckdb.DuckDBPyConnection, endpoints: Collection[Endpoint]) -> None:
    """Make the tables of endpoints that are new, and add columns that are."""
    columns: dict[str, set[str]] = {}
    for table, column in connection.execute(_COLUMNS).fetchall():
        columns.setdefault(table, set()).add(column)
    for endpoint in endpoints:
        if not all(columns.get(table.name, set()).issuperset(table.column_names) for table in _stored_tables(endpoint)):
            with transaction(connection):
                for table in _stored_tables(endpoint):
                    for column in table.columns if table.name in columns else ():
                        if column.name not in columns[table.name]:
                            connection.execute(
                                f'ALTER TABLE {table.qualified_name} ADD COLUMN "{column.name}" {column.type}'
                            )
                _create_tables_of(connection, endpoint)


def _comment_on_tables_of(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> None:
    _comment_on(connection, endpoint.table, endpoint.table.columns)
    if endpoint.keeps_versions:
        _comment_on(connection, endpoint.superseded_table)
        _comment_on(connection, endpoint.versions_view, kind="VIEW")  # DuckLake has no comments on a view's columns


def _comment_on(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: Iterable[Column] = (), kind: str = "TABLE"
) -> None:
    connection.execute(f"COMMENT ON {kind} {table.qualified_name} IS {literal(table.description)}")
    for column in columns:
        connection.execute(f'COMMENT ON COLUMN {table.qualified_name}."{column.name}" IS {literal(column.description)}')


def _read_info(connection: duckdb.DuckDBPyConnection) -> tuple[int, str | None] | None:
    found = first_row(
        connection,
        "SELECT count(*) FROM information_schema.tables"
        " WHERE table_catalog = 'warehouse' AND table_schema = 'mews' AND table_name = 'warehouse_info'",
    )
    if not found or not found[0]:
        return None
    row = first_row(connection, "SELECT schema_version, source FROM mews.warehouse_info")
    return (row[0], row[1]) if row else None
