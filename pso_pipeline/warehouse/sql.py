"""Small helpers for SQL: packaged statements, templates, literals for DDL, rows and Arrow tables."""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import duckdb
import pyarrow as pa


def statement(name: str) -> str:
    """Read a packaged `.sql` file, named by its path below `warehouse/`."""
    return files("pso_pipeline.warehouse").joinpath(name).read_text(encoding="utf-8")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each `{{name}}` of a template by its value."""
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def literal(text: str) -> str:
    """Quote a text of our own (a path, a comment) for DDL."""
    return "'" + text.replace("'", "''") + "'"


def literal_list(texts: Iterable[str]) -> str:
    """Quote texts of our own as a list, for DDL."""
    return f"[{', '.join(map(literal, texts))}]"


def first_row(connection: duckdb.DuckDBPyConnection, query: str, parameters: object = None) -> tuple[Any, ...] | None:
    """Return the first row of a query; None where it has none.

    The result is read to its end: an open result keeps DuckDB 2 from the next statement of the connection.
    """
    rows = connection.execute(query, parameters).fetchall()
    return rows[0] if rows else None


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Return the names of a table's columns; none where there is no such table.

    The information schema would look into every table of every database, which takes a lake hundreds of requests.
    """
    try:
        described = connection.execute(f"FROM {table} LIMIT 0")
    except duckdb.CatalogException:
        return []
    return [name for name, *_ in described.description or ()]


def arrow_table(connection: duckdb.DuckDBPyConnection, query: str, parameters: object = None) -> pa.Table:
    """Return the rows of a query as an Arrow table.

    DuckDB 2 makes an extra copy of the rows after `execute`, and warns about it.
    """
    return connection.sql(query, params=parameters).to_arrow_table()
