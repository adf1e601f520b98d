"""What can go wrong with the warehouse, sorted by what a person does next.

WarehouseError
├── WarehouseBusy        somebody else holds the file: wait, or close it there
├── WarehouseUnusable    no permission, no room: mend what the message names
│   └── WarehouseDamaged a file that is not as DuckDB wrote it: restore it, or read everything again
├── WarehouseNotMigrated a lake whose tables are missing or older: run `pso migrate`
├── WarehouseTooNew      written by a newer pso_pipeline: upgrade this one
└── WarehouseMixed       filled from another kind of source: give the sandbox and real data a warehouse each
"""

import re
from urllib.parse import unquote

import duckdb

_DAMAGE = re.compile(
    r"Could not read enough bytes|Corrupt database file|not a valid DuckDB database file|Failure while replaying WAL",
    re.IGNORECASE,
)


_PASSWORD = re.compile(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)|(//[^/:@\s]*:)([^@\s]*)(?=@)", re.IGNORECASE)


class WarehouseError(Exception):
    """The warehouse cannot be used as asked; the message is one line that says why and what to do."""


class WarehouseBusy(WarehouseError):
    """Another process held the warehouse for longer than this one waits."""


class WarehouseUnusable(WarehouseError):
    """The file or folder cannot be opened or written."""


class WarehouseDamaged(WarehouseUnusable):
    """A file is truncated, altered, or no DuckDB file."""


class WarehouseNotMigrated(WarehouseError):
    """The tables of a lake that several machines share are missing or older; `pso migrate` alone changes them."""


class WarehouseTooNew(WarehouseError):
    """The tables were made by a newer version of the package."""


class WarehouseMixed(WarehouseError):
    """The warehouse holds data of another kind of source: real data and the sandbox's never share one."""


def is_damage(error: BaseException) -> bool:
    """Return whether DuckDB could not read a file because it is not as it was written."""
    return isinstance(error, duckdb.InternalException | duckdb.SerializationException) or (
        isinstance(error, duckdb.Error) and _DAMAGE.search(str(error)) is not None
    )


def first_line(error: BaseException | None) -> str:
    """Return the first line of an error, without the password of a catalog's database."""
    return without_passwords(str(error).splitlines()[0])


def without_passwords(text: str) -> str:
    """Mask the passwords in a text, of a connection string or an address."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[3]}***", text)


def split_password(connection_string: str) -> tuple[str, str | None]:
    """Take the password out of a connection string of PostgreSQL; return the string without it, and the password.

    Other users of the machine can read the arguments of a program, and not its environment.
    """
    found = _PASSWORD.search(connection_string)
    if found is None:
        return connection_string, None
    before, after = connection_string[: found.start()], connection_string[found.end() :]
    if found[3]:
        return before + found[3].removesuffix(":") + after, unquote(found[4])
    quoted = found[2].startswith("'")
    value = found[2][1:-1] if quoted else found[2]
    return before + after, re.sub(r"\\(.)", r"\1", value)
