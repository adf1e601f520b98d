"""The one way to write to the warehouse: a transaction, with the writers' lock where several machines write.

Every function that changes landed tables or marts is marked with `writes`, or passes its work to `write`. Add a `Part`
for tables that are written independently of the others. Files have a lock of their own (`session.py`).
"""

import contextlib
import functools
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Concatenate, ParamSpec, TypeVar

import duckdb
from tenacity import RetryError, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from pso_pipeline.warehouse.errors import WarehouseBusy, first_line
from pso_pipeline.warehouse.sql import first_row, literal

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=duckdb.DuckDBPyConnection)

CATALOG = "lake_catalog"
"""The name of a lake's own catalog in PostgreSQL, within DuckDB."""

ATTEMPTS = 8
"""How often a transaction is tried that another one got in the way of; with the locks taken there is none."""

WAIT_VARIABLE = "writers_wait_seconds"
"""The variable of a connection that says how long to wait for other writers; without it nobody else can write."""


FIXED_VARIABLE = "are_tables_fixed"
"""The variable of a connection that says whether tables are made and migrated by `pso migrate` alone."""


KEY_OF_MIGRATIONS = "4711000000"
"""Number of the locks of `pso migrate`: before it, a lake has no table of its own by which they could be numbered."""


class Part(IntEnum):
    """What one process writes at a time; the value numbers its lock. Locks are taken in this order."""

    LANDED = 0
    MARTS = 1
    RESYNC = 2


EVERYTHING = (Part.LANDED, Part.MARTS)
"""The parts that hold tables."""


def writes(*parts: Part) -> Callable[[Callable[Concatenate[C, P], T]], Callable[Concatenate[C, P], T]]:
    """Run each call of a function, whose first parameter is the connection, as `write` does."""

    def decorate(function: Callable[Concatenate[C, P], T]) -> Callable[Concatenate[C, P], T]:
        @functools.wraps(function)
        def call(connection: C, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return write(connection, lambda: function(connection, *args, **kwargs), *parts)

        return call

    return decorate


def write(connection: duckdb.DuckDBPyConnection, work: Callable[[], T], *parts: Part) -> T:
    """Do some work in one transaction, which commits all of it, or none where it raises; return what it returns.

    On a lake with a catalog in PostgreSQL the locks of the `parts` are taken first and end with the transaction. If
    another transaction changed the same tables all the same, everything is done again.

    Raises:
        WarehouseBusy: Another process has been writing for longer than the connection waits, or was faster each time.
    """
    retrying = Retrying(
        retry=retry_if_exception(is_conflict),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        stop=stop_after_attempt(ATTEMPTS),
    )
    try:
        done: T = retrying(_write_once, connection, work, parts)
    except RetryError as error:
        raise WarehouseBusy(
            f"another program changed the same tables of the warehouse at each of {ATTEMPTS} attempts, end it: "
            f"{first_line(error.last_attempt.exception())}"
        ) from None
    return done


def take_locks(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], wait_seconds: float, key: str | None = None
) -> None:
    """Take the locks of the parts of the lake attached as `CATALOG`; they end with the open transaction.

    The locks are numbered from `key`, by default the number of the lake's own table, so that two lakes do not share
    them, or `KEY_OF_MIGRATIONS` where there is no lake yet.

    Raises:
        WarehouseBusy: Another process has had one of them for longer than `wait_seconds`.
    """
    # DuckLake's tables are in that schema, whatever the search path
    key = key or f"coalesce(to_regclass('public.ducklake_snapshot')::oid::bigint, {KEY_OF_MIGRATIONS})"
    locks = ", ".join(f"pg_advisory_xact_lock({key} * 4 + {part.value})" for part in sorted(parts))
    # READ COMMITTED: a snapshot would keep PostgreSQL from cleaning up as long as the lock lasts
    statement = (
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; "
        f"SET LOCAL lock_timeout = {max(1, round(wait_seconds * 1000))}; "
        # the server ends the lock of a machine that is gone
        "SET LOCAL tcp_keepalives_idle = 30; SET LOCAL tcp_keepalives_interval = 10; "
        "SET LOCAL tcp_keepalives_count = 3; "
        f"SELECT {locks}"
    )
    try:
        # without `system.main.` DuckDB looks the name up in the lake, which opens its snapshot before the lock is there
        connection.execute(f"CALL system.main.postgres_execute('{CATALOG}', {literal(statement)})")
    except duckdb.Error as error:
        if "lock timeout" not in str(error):
            raise
        raise WarehouseBusy(
            f"another pso_pipeline process has been writing to the lake for more than {wait_seconds:g} s: "
            "wait until it ends, or end it"
        ) from None


def are_tables_fixed(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the connection may neither make nor migrate tables."""
    return first_row(connection, f"SELECT getvariable('{FIXED_VARIABLE}')") == (True,)


def is_conflict(error: BaseException) -> bool:
    """Return whether a transaction failed because another one changed the same things."""
    said = str(error).lower()
    return isinstance(error, duckdb.Error) and any(
        words in said for words in ("conflict", "could not serialize access", "deadlock detected")
    )


def _write_once(connection: duckdb.DuckDBPyConnection, work: Callable[[], T], parts: Sequence[Part]) -> T:
    (wait_seconds,) = first_row(connection, f"SELECT getvariable('{WAIT_VARIABLE}')") or (None,)
    connection.begin()
    with contextlib.ExitStack() as undo:
        undo.callback(_roll_back, connection)
        if parts and wait_seconds is not None:
            take_locks(connection, parts, wait_seconds)
        done = work()
        connection.commit()
        undo.pop_all()
    return done


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    with contextlib.suppress(duckdb.TransactionException):  # a commit that failed has ended the transaction
        connection.rollback()
