"""A real DuckDB with the landed tables and empty marts, in memory or in a lake."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from pso_pipeline.warehouse.marts.derive import create_marts
from pso_pipeline.warehouse.schema import create_tables, use_schemas
from pso_pipeline_tests.marts.rows import forget_everything


@pytest.fixture(scope="package")
def prepared_connection(store: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose session zone is far from UTC: no result may depend on it."""
    if store.is_lake:
        with store.new(tmp_path_factory.mktemp("marts")).open() as connection:
            connection.execute("SET TimeZone = 'Pacific/Kiritimati'; SET VARIABLE are_tables_fixed = false")
            yield connection
        return
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Pacific/Kiritimati'")
        connection.execute("ATTACH ':memory:' AS warehouse; ATTACH ':memory:' AS marts")
        use_schemas(connection)
        create_tables(connection)
        create_marts(connection)
        yield connection


@pytest.fixture
def connection(prepared_connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The prepared connection with every table empty."""
    forget_everything(prepared_connection)
    return prepared_connection
