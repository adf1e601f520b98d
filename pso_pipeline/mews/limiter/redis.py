"""The store in Redis, for several machines: a sorted set for each token, and a key that lives as long as its pause.

All times are those of the server's clock. pyrate-limiter counts the requests up to the time that it is given, so a
lock keeps another machine from counting a later one first.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import redis
from pyrate_limiter import Rate, RedisBucket
from redis.backoff import NoBackoff
from redis.exceptions import LockError, RedisError
from redis.retry import Retry

from pso_pipeline.mews.limiter.store import LimiterStore, StoreUnavailable, TokenCounter, TokenState

_TIMEOUT_SECONDS = 5.0

_LOCK_SECONDS = 5.0
"""After this time the lock of a dead machine is free. A turn that took so long is not used."""

_POLL_SECONDS = 0.02


class RedisStore(LimiterStore):
    """A Redis server, given by its address."""

    def __init__(self, address: str) -> None:
        self._redis = redis.Redis.from_url(
            address,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        given = self._redis.get_connection_kwargs()
        self._place = f"Redis ({given.get('host', 'localhost')}:{given.get('port', 6379)}, db {given.get('db', 0)})"

    @property
    def description(self) -> str:
        """Host, port and number of the database."""
        return f"{self._place}, for all machines that use it"

    def open(self, fingerprint: str, rate: Rate) -> TokenCounter:
        """Open the keys of a token."""
        with _errors(self._place):
            # the braces keep the keys of a token together in a cluster
            key = f"pso:{{{fingerprint}}}"
            bucket = RedisBucket.init([rate], self._redis, f"{key}:requests")
            return _RedisCounter(cast("RedisBucket", bucket), self._redis, key, self._place)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


class _RedisCounter(TokenCounter):
    def __init__(self, bucket: RedisBucket, server: redis.Redis, key: str, place: str) -> None:
        self.bucket = bucket
        self._redis = server
        self._pause_key = f"{key}:pause"
        self._lock_key = f"{key}:lock"
        self._place = place

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        with (
            _errors(self._place),
            self._redis.lock(
                self._lock_key, timeout=_LOCK_SECONDS, sleep=_POLL_SECONDS, blocking_timeout=2 * _LOCK_SECONDS
            ),
        ):
            yield

    def state(self) -> TokenState:
        """Read the time, the pause, and since when the server runs.

        What it counted before its last start may be lost: its default is to save from time to time.
        """
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.pttl(self._pause_key)
            pipeline.info("server")
            (seconds, microseconds), left, server = pipeline.execute()
        # both times of the server's age are whole seconds
        window = self.bucket.rates[0].interval / 1000 + 1
        return TokenState(
            seconds * 1000 + microseconds // 1000,
            max(left, 0) / 1000,
            max(window - server["uptime_in_seconds"], 0.0),
        )

    def pause(self, seconds: float) -> None:
        if seconds > self.state().pause_left:
            self._redis.set(self._pause_key, 1, px=int(seconds * 1000))


@contextmanager
def _errors(place: str) -> Iterator[None]:
    """Name the server in the errors of the block."""
    try:
        yield
    except LockError:
        raise StoreUnavailable(f"the rate limiter cannot use {place}: another machine has locked the token") from None
    except RedisError as error:
        raise StoreUnavailable(f"the rate limiter cannot use {place}: {str(error) or type(error).__name__}") from None
