"""This module finds texts in files, and erases them from SQLite databases (Dagster's storage) and text files (logs).

Add a function for another file format here. Which texts to erase belongs to `forget.py`; `warehouse/rewriting.py`
erases texts from DuckDB files.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ERASED = "forgotten"
"""The replacement of an erased text."""

BUSY_SECONDS = 60.0
"""How long to wait for another process to release a database."""

_SQLITE = b"SQLite format 3\0"
_PART_BYTES = 1 << 22


def files_containing(folders: Iterable[Path], texts: Sequence[str]) -> list[Path]:
    """Return the files below the folders that contain any of the texts, in lower or upper case."""
    patterns = [form.encode() for form in _forms(texts)]
    files = {path for folder in folders for path in folder.absolute().rglob("*") if path.is_file()}
    return sorted(path for path in files if _contains(path, patterns))


def erase(paths: Iterable[Path], texts: Sequence[str]) -> None:
    """Replace the texts in SQLite databases and text files; a file that cannot be changed stays as it is."""
    # SQLite itself changes the -wal and -shm files of a database
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
        # free pages and the log still contain the replaced bytes
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
    # not by a rename, because another process may have the file open for writing
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def _starts_as_sqlite(path: Path) -> bool:
    with path.open("rb") as content:
        return content.read(len(_SQLITE)) == _SQLITE


def _forms(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from dict.fromkeys((text, text.lower(), text.upper()))


def _contains(path: Path, patterns: Sequence[bytes]) -> bool:
    overlap = max(map(len, patterns), default=1)
    rest = b""
    try:
        with path.open("rb") as content:
            while part := content.read(_PART_BYTES):
                if any(pattern in rest + part for pattern in patterns):
                    return True
                rest = part[-overlap:]
    except FileNotFoundError:  # another process removed it
        return False
    return False
