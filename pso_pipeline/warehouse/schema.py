"""The tables of schema `mews`: made from the endpoints, brought up to date by additions and numbered migrations.

Holds DDL and the warehouse's own version. A new endpoint and a new column need no file: what is missing is added on
opening. Any other change of a table is one file in `migrations/`, named by the version that it leads to. The marts are
not here: they can always be computed again.
"""

import functools
from collections.abc import Collection, Iterable, Mapping

import duckdb

from pso_pipeline.contract.columns import Column, Table
from pso_pipeline.contract.endpoints import ENDPOINTS, Endpoint
from pso_pipeline.contract.warehouse import OWN_TABLES
from pso_pipeline.warehouse.errors import WarehouseMixed, WarehouseNotMigrated, WarehouseTooNew, WarehouseUnusable
from pso_pipeline.warehouse.sql import columns_of, first_row, literal, statement
from pso_pipeline.warehouse.writing import EVERYTHING, are_tables_fixed, write

SCHEMA_VERSION = 6
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


def use_schemas(connection: duckdb.DuckDBPyConnection, marts: str = "marts") -> None:
    """Let `mews.x` be found in the database `warehouse`, `mart.x` and `internal.x` in the database `marts`.

    The schemas are made where they are missing, save where the tables are fixed.
    """
    schemas = ("warehouse.mews", f"{marts}.mart", f"{marts}.internal")
    if not are_tables_fixed(connection):
        for schema in schemas:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    try:
        connection.execute(f"SET search_path = '{','.join(schemas)}'")
    except duckdb.CatalogException:
        _require_unfixed(connection, "has no tables yet")
        raise


def prepare(
    connection: duckdb.DuckDBPyConnection, source: str | None = None, endpoints: Iterable[Endpoint] = ENDPOINTS
) -> None:
    """Make the tables, or bring them up to date, in one transaction.

    `source` says what kind of source fills the warehouse, `loopback` or `remote`; None where nothing will be written.

    Raises:
        WarehouseTooNew: A newer version of the package made the tables.
        WarehouseNotMigrated: The tables are missing or older, and not for this process to change.
        WarehouseUnusable: An older version made them, and they could not be migrated; they are as they were.
        WarehouseMixed: Another kind of source filled them.
    """
    described = list(endpoints)
    known = _read_info(connection)
    if known is None:
        _require_unfixed(connection, "has no tables yet")
        write(connection, lambda: create_tables(connection, source, described), *EVERYTHING)
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
    if version < SCHEMA_VERSION:
        _require_unfixed(connection, f"has table version {version}, and this pso_pipeline writes {SCHEMA_VERSION}")
    if version < SCHEMA_VERSION or (source and not filled_from):
        write(connection, lambda: _bring_up_to_date(connection, version, source), *EVERYTHING)
    _add_what_is_missing(connection, described)
    if version < SCHEMA_VERSION:
        write(connection, lambda: _comment_on_tables(connection, described), *EVERYTHING)


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
    for table in OWN_TABLES:
        _create_table(connection, table)
    for endpoint in endpoints:
        _create_tables_of(connection, endpoint)


def stored_tables(endpoints: Iterable[Endpoint] = ENDPOINTS) -> list[str]:
    """Return the names of all tables of schema `mews`, with the schema."""
    described = [*OWN_TABLES, *(table for endpoint in endpoints for table in _stored_tables(endpoint))]
    own = [f"mews.{name}" for name in ("warehouse_info", *INTERNAL_TABLES)]
    return [*own, *(table.qualified_name for table in described)]


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
            for table in OWN_TABLES:
                _comment_on(connection, table, table.columns)
    except duckdb.Error as error:
        raise WarehouseUnusable(
            f"the warehouse stays at table version {version}, since it could not be migrated to {SCHEMA_VERSION}: "
            f"{str(error).splitlines()[0]}"
        ) from None


def _bring_up_to_date(connection: duckdb.DuckDBPyConnection, version: int, source: str | None) -> None:
    _migrate(connection, version)
    connection.execute(
        "UPDATE mews.warehouse_info SET schema_version = ?, source = coalesce(source, ?)", [SCHEMA_VERSION, source]
    )


def _require_unfixed(connection: duckdb.DuckDBPyConnection, problem: str) -> None:
    if are_tables_fixed(connection):
        raise WarehouseNotMigrated(f"the lake {problem}: run `pso migrate`")


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
    for endpoint in endpoints:
        stored = {table: columns_of(connection, table.qualified_name) for table in _stored_tables(endpoint)}
        if not all(set(columns).issuperset(table.column_names) for table, columns in stored.items()):
            _require_unfixed(connection, f"lacks columns of {endpoint.name}")
            write(connection, functools.partial(_add_to_tables_of, connection, endpoint, stored), *EVERYTHING)


def _add_to_tables_of(
    connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, stored: Mapping[Table, Collection[str]]
) -> None:
    for table, columns in stored.items():
        for column in table.columns if columns else ():
            if column.name not in columns:
                connection.execute(f'ALTER TABLE {table.qualified_name} ADD COLUMN "{column.name}" {column.type}')
    _create_tables_of(connection, endpoint)


def _comment_on_tables(connection: duckdb.DuckDBPyConnection, endpoints: Iterable[Endpoint]) -> None:
    for endpoint in endpoints:
        _comment_on_tables_of(connection, endpoint)


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
    if not columns_of(connection, "warehouse.mews.warehouse_info"):
        return None
    row = first_row(connection, "SELECT schema_version, source FROM mews.warehouse_info")
    return (row[0], row[1]) if row else None
