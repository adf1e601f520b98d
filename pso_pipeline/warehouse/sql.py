"""Reading the packaged statements, and the one way to write a text into DDL, which takes no bound values."""

from importlib.resources import files


def statement(name: str) -> str:
    """Read a packaged `.sql` file, named by its path below `warehouse/`."""
    return files("pso_pipeline.warehouse").joinpath(name).read_text(encoding="utf-8")


def literal(text: str) -> str:
    """Quote a text of our own (a path, a comment) for DDL."""
    return "'" + text.replace("'", "''") + "'"
