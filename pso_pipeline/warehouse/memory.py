"""How much memory DuckDB may hold, with how many threads, and what happens where that is too little.

Every connection of the pipeline that reads or writes more than a few rows is limited here: its memory must not grow
with what is stored, and whoever has more of it than DuckDB was given must not see a refresh fail for that.
"""

import contextlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import duckdb
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

MEMORY_MB = 120
"""What DuckDB may hold of tables and of blocks that it has read, in MB; the rest goes to disk.

Its own choice is four fifths of the machine's memory: a quiet refresh among 5 million orders came to 1.7 GB.
"""

DERIVING_MEMORY_MB = 125
"""The same for making the marts of single orders, which are looked for among all, again and again. With 105, one batch
in eleven of 46,000 changes among 5 million orders was done over."""

ONE_TABLE_MEMORY_MB = 100
"""The same for reading one table of the marts through a connection of its own. With 80, writing the facts of 5 million
orders takes three times the CPU after changes."""

THREADS = 2
"""Each thread of DuckDB's holds memory of its own: with the 16 that it takes on a machine of 16 cores, 250 MB were too
little to derive 5 million orders."""

MANY_BYTES = 50_000_000
"""Files as large as this, which hold some 300,000 orders and their marts, are worth a second thread.

Where one thread does all there is to do, DuckDB's Python client lets the other ask for work without a pause (pull
request 12512 of duckdb/duckdb). By one thread a quiet refresh of 3,500 hotels takes a fifth less CPU, and no more time.
"""

ATTEMPTS = 10
"""How often work is tried in all, each time with half as much memory more: of `MEMORY_MB`, the last time with 4.6 GB.

With twice as much, a refresh of 46,000 changes among 5 million orders took 80 MB more than it needed.
"""

_ALL_USED = re.compile(r"\(\S+ \w+/\S+ \w+ used\)")

T = TypeVar("T")

logger = logging.getLogger(__name__)


def threads_for(files: Iterable[Path]) -> int:
    """Tell how many threads DuckDB is to have for these files."""
    return THREADS if sum(path.stat().st_size for path in files if path.exists()) >= MANY_BYTES else 1


def limit_memory(connection: duckdb.DuckDBPyConnection, memory_mb: int) -> None:
    """Let DuckDB hold no more than so many MB of tables and blocks."""
    connection.execute(f"SET memory_limit = '{memory_mb}MB'")
    # the setting itself is told as a text for people
    connection.execute(f"SET VARIABLE memory_mb = {memory_mb}")


def lower_limit(connection: duckdb.DuckDBPyConnection, memory_mb: int) -> None:
    """Let DuckDB hold no more than so many MB, where `limit_memory` let it hold more."""
    limit = _limit_mb(connection)
    if limit is not None and memory_mb < limit:
        limit_memory(connection, memory_mb)


def give_back_freed(connection: duckdb.DuckDBPyConnection) -> None:
    """Let DuckDB's threads give back what they freed, of which each keeps up to 60 MB for a second.

    Those that end do, and there is no other way to ask for it.
    """
    with one_thread(connection):
        pass


@contextlib.contextmanager
def one_thread(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let DuckDB work with one thread for the length of the block; the others end, and give back what they freed."""
    row = connection.execute("SELECT current_setting('threads')").fetchone()
    connection.execute("SET threads = 1")
    try:
        yield
    finally:
        connection.execute("SET threads = ?", row)


def with_enough_memory(connection: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Do `work`, and do it over with half as much memory more each time that DuckDB runs out of it; return its outcome.

    `work` can be done over: where it fails, it leaves no transaction open.
    """

    def give_more(_: RetryCallState) -> None:
        more = 3 * (_limit_mb(connection) or MEMORY_MB) // 2
        logger.warning("DuckDB ran out of the memory that it may hold: trying again with %d MB", more)
        limit_memory(connection, more)

    again = Retrying(
        retry=retry_if_exception(_is_for_want_of_memory),
        stop=stop_after_attempt(ATTEMPTS),
        before_sleep=give_more,
        reraise=True,
    )
    return again(work)


def _is_for_want_of_memory(error: BaseException) -> bool:
    """Tell it from other failures; that of a commit has another class and the same text."""
    return isinstance(error, duckdb.OutOfMemoryException) or (
        isinstance(error, duckdb.TransactionException) and _ALL_USED.search(str(error)) is not None
    )


def _limit_mb(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Tell what `limit_memory` set; None where nobody did."""
    row = connection.execute("SELECT getvariable('memory_mb')").fetchone()
    return row[0] if row else None
