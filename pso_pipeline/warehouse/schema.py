"""The tables of schema `mews`: made from the column contract, brought up to date by numbered migrations.

Holds DDL and the warehouse's own version. A change of a table is a change of the contract plus one file in
`migrations/`, named by the version that it leads to. The marts are not here: they can always be derived anew.
"""

import duckdb

from pso_pipeline.contract.columns import Table
from pso_pipeline.contract.warehouse import PRODUCT_SERVICE_ORDER_VERSIONS, WAREHOUSE_TABLES
from pso_pipeline.warehouse.errors import WarehouseMixed, WarehouseTooNew, WarehouseUnusable
from pso_pipeline.warehouse.sql import literal, statement

SCHEMA_VERSION = 5
"""Version of the tables that this package reads and writes."""


def prepare(connection: duckdb.DuckDBPyConnection, source: str | None = None) -> None:
    """Make the tables, or migrate them to `SCHEMA_VERSION`, in one transaction.

    `source` says what kind of source fills the warehouse, `loopback` or `remote`; None where nothing will be written.

    Raises:
        WarehouseTooNew: A newer version of the package made the tables.
        WarehouseUnusable: An older version did, and they could not be migrated; they are as they were.
        WarehouseMixed: Another kind of source filled them.
    """
    known = _read_info(connection)
    if known is None:
        connection.begin()
        create_tables(connection, source)
        connection.commit()
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
        connection.begin()
        _migrate(connection, version)
        connection.execute(
            "UPDATE mews.warehouse_info SET schema_version = ?, source = coalesce(source, ?)", [SCHEMA_VERSION, source]
        )
        connection.commit()


def _migrate(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    """Bring tables of an older version up to date; the caller commits, and nothing has changed where this raises."""
    try:
        for step in range(version + 1, SCHEMA_VERSION + 1):
            connection.execute(statement(f"migrations/{step:04d}.sql"))
        if version < SCHEMA_VERSION:
            _comment_on_all(connection)
    except duckdb.Error as error:
        raise WarehouseUnusable(
            f"the warehouse stays at table version {version}, since it could not be migrated to {SCHEMA_VERSION}: "
            f"{str(error).splitlines()[0]}"
        ) from None


def create_tables(connection: duckdb.DuckDBPyConnection, source: str | None = None) -> None:
    """Make every table and view of schema `mews` in the current warehouse, with the comments of the contract.

    `source` as in `prepare`.
    """
    connection.execute(statement("tables/warehouse_info.sql"))
    connection.execute("INSERT INTO mews.warehouse_info VALUES (?, ?, uuid(), NULL)", [SCHEMA_VERSION, source])
    for table in WAREHOUSE_TABLES:
        if table is not PRODUCT_SERVICE_ORDER_VERSIONS:
            connection.execute(table_ddl(table))
    connection.execute(statement("tables/superseded_product_service_orders.sql"))
    connection.execute(statement("tables/full_read_ids.sql"))
    connection.execute(statement("tables/service_listings.sql"))
    connection.execute(statement("tables/changed_records.sql"))
    connection.execute(statement("tables/access_tokens.sql"))
    connection.execute(statement("tables/missing_candidates.sql"))
    connection.execute(statement("tables/account_key.sql"))
    connection.execute(statement("tables/forgotten_accounts.sql"))
    connection.execute(statement("tables/product_service_order_versions.sql"))
    _comment_on_all(connection)


def table_ddl(table: Table) -> str:
    """Write the CREATE TABLE of a contract's table: no keys and no constraints, which DuckLake does not have."""
    columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
    return f"CREATE TABLE IF NOT EXISTS {table.qualified_name} ({columns})"


def _comment_on_all(connection: duckdb.DuckDBPyConnection) -> None:
    for table in WAREHOUSE_TABLES:
        _comment_on(connection, table)


def _comment_on(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    is_view = table is PRODUCT_SERVICE_ORDER_VERSIONS
    kind = "VIEW" if is_view else "TABLE"
    connection.execute(f"COMMENT ON {kind} {table.qualified_name} IS {literal(table.description)}")
    for column in () if is_view else table.columns:  # DuckLake has no comments on a view's columns
        connection.execute(f'COMMENT ON COLUMN {table.qualified_name}."{column.name}" IS {literal(column.description)}')


def _read_info(connection: duckdb.DuckDBPyConnection) -> tuple[int, str | None] | None:
    found = connection.execute(
        "SELECT count(*) FROM information_schema.tables"
        " WHERE table_catalog = 'warehouse' AND table_schema = 'mews' AND table_name = 'warehouse_info'"
    ).fetchone()
    if not found or not found[0]:
        return None
    row = connection.execute("SELECT schema_version, source FROM mews.warehouse_info").fetchone()
    return (row[0], row[1]) if row else None
