"""The store in PostgreSQL, for several machines: a table for each token, and one with the end of each pause.

All times are those of the server's clock. It works through PgBouncer in transaction mode: no prepared statements, no
lock outlives its transaction, and PgBouncer restores the time zone of a connection.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pyrate_limiter import PostgresBucket, Rate

from pso_pipeline.mews.limiter.store import (
    CLOCK_SLIP,
    LONGEST_PAUSE,
    LimiterStore,
    StoreUnavailable,
    TokenCounter,
    TokenState,
)

_DEFAULTS = {
    "connect_timeout": "5",
    # a dead host is noticed within seconds, and not after the two hours of TCP
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "application_name": "pso-pipeline",
}

_LOCK_PAUSES = "SELECT pg_advisory_xact_lock(hashtext('pso_token_pauses'))"

_CREATE_PAUSES = """
    CREATE TABLE IF NOT EXISTS pso_token_pauses (token VARCHAR PRIMARY KEY, ends TIMESTAMPTZ NOT NULL)
"""

_READ_STATE = """
    SELECT
        (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT,
        (SELECT extract(epoch FROM ends - clock_timestamp())::FLOAT8 FROM pso_token_pauses WHERE token = %s)
"""

_PAUSE = """
    INSERT INTO pso_token_pauses AS pauses (token, ends)
    VALUES (%s, clock_timestamp() + make_interval(secs => %s))
    ON CONFLICT (token) DO UPDATE SET ends = excluded.ends
    WHERE pauses.ends < excluded.ends OR pauses.ends > clock_timestamp() + make_interval(secs => %s)
"""


class PostgresStore(LimiterStore):
    """A database, given by libpq's keywords or an address. The user must be allowed to create tables in it."""

    def __init__(self, conninfo: str) -> None:
        given = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
        place = " ".join(f"{name}={given[name]}" for name in ("host", "port", "dbname", "user") if name in given)
        self._place = f"PostgreSQL ({place})" if place else "PostgreSQL"
        self._connections = _Connections(make_conninfo("", **(_DEFAULTS | given)))

    @property
    def description(self) -> str:
        """Host, port, database and user."""
        return f"{self._place}, for all machines that use it"

    def open(self, fingerprint: str, rate: Rate) -> TokenCounter:
        """Open the table of a token."""
        with _errors(self._place):
            with self._connections.connection() as connection:
                # CREATE TABLE IF NOT EXISTS fails if two sessions create the table at once
                connection.execute(_LOCK_PAUSES)
                connection.execute(_CREATE_PAUSES)
            # of the pool, the bucket uses `connection()` alone
            bucket = PostgresBucket(cast("Any", self._connections), f"pso_{fingerprint}", [rate])
            return _PostgresCounter(bucket, self._connections, fingerprint, self._place)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()


class _PostgresCounter(TokenCounter):
    def __init__(self, bucket: PostgresBucket, connections: "_Connections", fingerprint: str, place: str) -> None:
        self.bucket = bucket
        self._connections = connections
        self._fingerprint = fingerprint
        self._place = place

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Leave the locking to the bucket, which locks its table where it counts."""
        with _errors(self._place):
            yield

    def state(self) -> TokenState:
        with self._connections.connection() as connection:
            now, left = connection.execute(_READ_STATE, (self._fingerprint,)).fetchone() or (0, None)
        return TokenState(now, left or 0.0)

    def pause(self, seconds: float) -> None:
        with self._connections.connection() as connection:
            connection.execute(_PAUSE, (self._fingerprint, seconds, LONGEST_PAUSE + CLOCK_SLIP))


class _Connections:
    """The connections of a process, as many as its threads use at once.

    psycopg's own pool connects in the background. There a wrong password looks like a timeout, and after a restart of
    the server each caller waits for the pool's next attempt.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._idle: list[psycopg.Connection] = []
        self._lock = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """Lend a connection for one transaction; after an error, connect again."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        try:
            yield connection
            connection.commit()
        except BaseException:
            connection.close()
            self.close()
            raise
        with self._lock:
            self._idle.append(connection)

    def close(self) -> None:
        """Close all connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _connect(self) -> psycopg.Connection:
        connection = psycopg.connect(self._conninfo, prepare_threshold=None)
        try:
            # the bucket compares times with a time zone to times without one; not among the options of the connection,
            # which PgBouncer refuses
            connection.execute("SET TIME ZONE 'UTC'")
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def _errors(place: str) -> Iterator[None]:
    """Name the server in the errors of the block."""
    try:
        yield
    except psycopg.Error as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StoreUnavailable(f"the rate limiter cannot use {place}: {reason}") from None
