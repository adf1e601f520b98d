"""Reading the packaged statements, writing a text into DDL, which takes no bound values, and transactions."""

import contextlib
from collections.abc import Iterator
from importlib.resources import files

import duckdb


def statement(name: str) -> str:
    """Read a packaged `.sql` file, named by its path below `warehouse/`."""
    return files("pso_pipeline.warehouse").joinpath(name).read_text(encoding="utf-8")


def literal(text: str) -> str:
    """Quote a text of our own (a path, a comment) for DDL."""
    return "'" + text.replace("'", "''") + "'"


@contextlib.contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what the block does, or none of it where it raises."""
    connection.begin()
    with contextlib.ExitStack() as undo:
        undo.callback(connection.rollback)
        yield
        undo.pop_all()
    connection.commit()
