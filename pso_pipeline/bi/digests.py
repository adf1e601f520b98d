"""Whether the marts have changed since they were last published, told without reading the old ones.

Holds the digests of tables, views and the whole file. A version's manifest keeps those that it was made with; equal
digests mean equal content. What follows from that stands in `parquet.py` and `snapshot.py`.
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import duckdb

from pso_pipeline import __version__
from pso_pipeline.contract.columns import Table
from pso_pipeline.contract.marts import INTERNAL_TABLES, MART_TABLES, MART_VIEWS, MARTS_DEFINITION, SCHEMA_VERSION

HASH_ROWS = "SELECT count(*), sum(hash(content)), bit_xor(hash(content)) FROM query_table($table) AS content"
"""What is the same for the same rows in any order.

It takes a tenth to a third of the time that writing them takes. Two contents that differ pass for the same with a
probability of about 2^-64.
"""

HASH_GROUPS = """
    SELECT column_value, count(*), sum(row_hash), bit_xor(row_hash)
    FROM (
        SELECT COLUMNS(name -> name = $column) AS column_value, hash(content) AS row_hash
        FROM query_table($table) AS content
    )
    GROUP BY column_value
"""
"""The same for the rows of each value of a column."""

COLUMNS = """
    SELECT column_name, data_type FROM duckdb_columns()
    WHERE schema_name = $schema AND table_name = $name AND database_name = current_database()
    ORDER BY column_index
"""
COMMENTS = """
    SELECT table_name, comment FROM duckdb_tables()
    WHERE schema_name = 'mart' AND database_name = current_database()
    UNION ALL
    SELECT view_name, comment FROM duckdb_views()
    WHERE schema_name = 'mart' AND database_name = current_database()
    UNION ALL
    SELECT table_name || '.' || column_name, comment FROM duckdb_columns()
    WHERE schema_name = 'mart' AND database_name = current_database()
    ORDER BY ALL
"""


def find_sources(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """Find the tables that each view is made of, down to those that are not views, as `schema.table` by view.

    Use the connection for nothing else: once DuckDB 1.5.5 has told the tables, it takes the columns of the view for
    others, and a checkpoint fails.
    """
    found = {
        view.name: connection.get_table_names(f"FROM {view.qualified_name}", qualified=True) for view in MART_VIEWS
    }
    return {view: {name.split(" AS ")[0] for name in names} for view, names in found.items()}


def digest_tables(connection: duckdb.DuckDBPyConnection, sources: Mapping[str, set[str]]) -> dict[str, str]:
    """Digest every table and view of the contract, by its name without schema; `sources` are from `find_sources`.

    A table is read: its columns and its rows, in whatever order they stand. A view is not, since there are views with a
    hundred times the rows of their tables: its tables tell, and what they and the view were made with.
    """
    stored = {table.qualified_name: table for table in (*MART_TABLES, *INTERNAL_TABLES) if table not in MART_VIEWS}
    digest_rows = functools.cache(functools.partial(_digest_rows, connection))
    digests = {}
    for table in MART_TABLES:
        made_of = sources.get(table.name, set())
        if made_of and made_of <= stored.keys():
            parts = {name: digest_rows(stored[name]) for name in {*made_of, MARTS_DEFINITION.qualified_name}}
            digests[table.name] = _digest(_columns(connection, table), sorted(parts.items()))
        else:
            digests[table.name] = digest_rows(table)
    return digests


def digest_groups(
    connection: duckdb.DuckDBPyConnection, view: Table, made_of: Table, column: str, *written_with: str
) -> dict[Any, str]:
    """Digest the rows of a view for each value of a column of the one table that it is made of.

    `written_with` is what else the digests depend on.
    """
    rows = connection.execute(HASH_GROUPS, {"table": made_of.qualified_name, "column": column}).fetchall()
    common = (_columns(connection, view), _digest_rows(connection, MARTS_DEFINITION), written_with)
    return {value: _digest(*common, content) for value, *content in rows}


def digest_database(connection: duckdb.DuckDBPyConnection, digests: Mapping[str, str]) -> str:
    """Digest all that is published: the tables and views, by their digests, and every comment."""
    comments = connection.execute(COMMENTS).fetchall()
    return _digest(SCHEMA_VERSION, sorted(digests.items()), comments)


def _digest_rows(connection: duckdb.DuckDBPyConnection, table: Table) -> str:
    rows = connection.execute(HASH_ROWS, {"table": table.qualified_name}).fetchone()
    return _digest(_columns(connection, table), rows)


def _columns(connection: duckdb.DuckDBPyConnection, table: Table) -> object:
    return connection.execute(COLUMNS, {"schema": table.schema, "name": table.name}).fetchall()


def _digest(*parts: object) -> str:
    # DuckDB does not promise that hash() stays the same from one version to the next
    return hashlib.sha256(json.dumps([__version__, duckdb.__version__, *parts]).encode()).hexdigest()
