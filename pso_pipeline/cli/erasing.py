"""Finding texts in files, and erasing them: from SQLite databases, as Dagster keeps its events in, and from logs.

Knows nothing of what the files mean. Tables of the warehouse and the marts are DuckDB's, and are written again by
`warehouse/rewriting.py`.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ERASED = "forgotten"
"""Stands where an erased text was: it is no longer than that, so that a log keeps its lines."""

BUSY_SECONDS = 60.0

_SQLITE = b"SQLite format 3\0"
_PART_BYTES = 1 << 22


def files_that_hold(folders: Iterable[Path], texts: Sequence[str]) -> list[Path]:
    """Find the files in folders, however deep, that hold any of these texts in lower or in upper case."""
    wanted = [form.encode() for form in _forms(texts)]
    files = {path for folder in folders for path in folder.absolute().rglob("*") if path.is_file()}
    return sorted(path for path in files if _holds(path, wanted))


def erase(paths: Iterable[Path], texts: Sequence[str]) -> None:
    """Replace the texts in SQLite databases and in text files; a file that cannot be changed now stays as it is."""
    # what is in the log of a database is reached through the database
    for path in dict.fromkeys(path.with_name(path.name.removesuffix("-wal").removesuffix("-shm")) for path in paths):
        with contextlib.suppress(OSError, sqlite3.Error):
            if _starts_as_sqlite(path):
                _erase_from_database(path, texts)
            else:
                _erase_from_text(path, texts)


def _erase_from_database(path: Path, texts: Sequence[str]) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        for table, column in _text_columns(connection):
            for form in _forms(texts):
                change = f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) WHERE instr("{column}", ?)'  # noqa: S608  # names of the database's own catalogue
                connection.execute(change, (form, ERASED, form))
        # free pages and the log keep the bytes of what was replaced
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _text_columns(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns"
        " WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'"
        " AND (columns.type LIKE '%CHAR%' OR columns.type LIKE '%TEXT%' OR columns.type LIKE '%CLOB%')"
    ).fetchall()


def _erase_from_text(path: Path, texts: Sequence[str]) -> None:
    content = path.read_bytes()
    for form in _forms(texts):
        content = content.replace(form.encode(), ERASED.encode())
    # in place, since a program may go on writing to the same file
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def _starts_as_sqlite(path: Path) -> bool:
    with path.open("rb") as content:
        return content.read(len(_SQLITE)) == _SQLITE


def _forms(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from dict.fromkeys((text, text.lower(), text.upper()))


def _holds(path: Path, wanted: Sequence[bytes]) -> bool:
    overlap = max(map(len, wanted), default=1)
    rest = b""
    try:
        with path.open("rb") as content:
            while part := content.read(_PART_BYTES):
                if any(each in rest + part for each in wanted):
                    return True
                rest = part[-overlap:]
    except FileNotFoundError:  # it was removed meanwhile
        return False
    return False
