"""A real DuckDB with the landed tables and empty marts, in memory."""

from collections.abc import Iterator

import duckdb
import pytest

from pso_pipeline.warehouse.marts.derive import create_marts
from pso_pipeline.warehouse.schema import create_tables
from pso_pipeline_tests.marts.rows import forget_everything


@pytest.fixture(scope="package")
def prepared_connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose session zone is far from UTC: no result may depend on it."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Pacific/Kiritimati'")
        connection.execute("ATTACH ':memory:' AS warehouse; ATTACH ':memory:' AS marts")
        connection.execute("CREATE SCHEMA warehouse.mews; CREATE SCHEMA marts.mart")
        connection.execute("SET search_path = 'warehouse.mews,marts.mart'")
        create_tables(connection)
        create_marts(connection)
        yield connection


@pytest.fixture
def connection(prepared_connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The prepared connection with every table empty."""
    forget_everything(prepared_connection)
    return prepared_connection
