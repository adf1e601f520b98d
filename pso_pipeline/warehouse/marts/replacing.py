"""Replacing the rows of a table of the marts that differ from those that it has to have.

Holds the comparison and the write, alike for every table. What a table has to have is in the `.sql` file of its name;
which rows are compared is decided in `derive.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from pso_pipeline.contract.columns import Table
from pso_pipeline.warehouse.sql import statement

RELATIONS = ("stored", "new", "changed")
"""The temporary relations that a comparison makes of each table, by the beginning of their names."""

STORED = """
    CREATE OR REPLACE TEMP TABLE stored_{name} AS
    SELECT stored.rowid AS stored_row, {columns} FROM {table} AS stored {is_in_scope}
"""
NEW = """
    CREATE OR REPLACE TEMP TABLE new_{name} AS
    SELECT {typed_columns} FROM ({select}
    ) AS computed
"""
DIFFERENT = """
    CREATE OR REPLACE TEMP TABLE changed_{name} AS
    SELECT DISTINCT {keys}
    FROM (
        (SELECT {columns} FROM stored_{name} EXCEPT ALL SELECT {columns} FROM new_{name})
        UNION ALL
        (SELECT {columns} FROM new_{name} EXCEPT ALL SELECT {columns} FROM stored_{name})
    ) AS different
"""
ALL_NEW = "CREATE OR REPLACE TEMP TABLE changed_{name} AS SELECT {keys} FROM new_{name}"

DELETE = """
    DELETE FROM {table}
    WHERE rowid IN (SELECT stored_row FROM stored_{name} AS compared SEMI JOIN changed_{name} AS changed ON {is_same})
"""
INSERT = (
    "INSERT INTO {table} BY NAME SELECT * FROM new_{name} AS compared SEMI JOIN changed_{name} AS changed ON {is_same}"
)
INSERT_ALL = "INSERT INTO {table} BY NAME FROM new_{name}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows of a table are compared: those with the same `columns` as a row of the relation `name`."""

    name: str
    columns: Sequence[str]


def compare(connection: duckdb.DuckDBPyConnection, table: Table, scope: Scope | None) -> bool:
    """Compare the stored rows of a table with those that it has to have; return whether any differ.

    Without a scope all rows are compared. Makes the temporary tables `stored_<table>`, with the place of each row as
    `stored_row`; `new_<table>`; and `changed_<table>`, the keys of rows that are added, changed or removed.
    """
    connection.execute(_filled_in(STORED, table, scope))
    connection.execute(_filled_in(NEW, table))
    connection.execute(_filled_in(DIFFERENT if _has_rows(connection, "stored", table) else ALL_NEW, table))
    return _has_rows(connection, "changed", table)


def replace(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Replace the rows that `compare` found changed; the caller commits."""
    if _has_rows(connection, "stored", table):
        connection.execute(_filled_in(DELETE, table))
        connection.execute(_filled_in(INSERT, table))
    else:
        connection.execute(_filled_in(INSERT_ALL, table))


def _has_rows(connection: duckdb.DuckDBPyConnection, state: str, table: Table) -> bool:
    return bool(connection.execute(f"SELECT 1 FROM {state}_{table.name} LIMIT 1").fetchall())  # noqa: S608  # our own names


def _filled_in(template: str, table: Table, scope: Scope | None = None) -> str:
    """Fill in the names of a table and its columns, which cannot be bound; they are the contract's own."""
    is_in_scope = " AND ".join(f"scope.{column} = stored.{column}" for column in scope.columns) if scope else ""
    # an order that is in two hotels is in each of them by itself
    keys = dict.fromkeys((*table.key, *(name for name in table.column_names if name == "enterprise_id")))
    return template.format(
        name=table.name,
        table=table.qualified_name,
        select=statement(f"marts/{table.name}.sql"),
        columns=", ".join(table.column_names),
        typed_columns=", ".join(f"CAST({column.name} AS {column.type}) AS {column.name}" for column in table.columns),
        keys=", ".join(keys),
        is_in_scope=f"SEMI JOIN {scope.name} AS scope ON {is_in_scope}" if scope else "",
        is_same=" AND ".join(f"changed.{key} IS NOT DISTINCT FROM compared.{key}" for key in keys),
    )
