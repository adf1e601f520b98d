"""The stores that machines share: a real PostgreSQL, also through PgBouncer, and a real Redis."""

import asyncio
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
import redis
from pyrate_limiter import Rate

from pso_pipeline.mews.clock import Clock
from pso_pipeline.mews.errors import TooManyRequests
from pso_pipeline.mews.limiter import postgres as in_postgres
from pso_pipeline.mews.limiter import redis as in_redis
from pso_pipeline.mews.limiter.redis import RedisStore
from pso_pipeline.mews.limiter.store import StoreUnavailable
from pso_pipeline.mews.limiter.turns import RateLimit, RateLimiter
from pso_pipeline_tests.fakes.pgbouncer import running_pgbouncer
from pso_pipeline_tests.mews.greedy import store_at

LIMIT = RateLimit(requests=5, window_seconds=0.5, margin_seconds=0.5)
LONG = RateLimit(requests=5, window_seconds=600.0)


@pytest.fixture(scope="module")
def pgbouncer(postgres):
    with running_pgbouncer(postgres) as port:
        yield port


@pytest.fixture(params=["postgres", "pgbouncer", "redis"])
def location(request):
    if request.param == "redis":
        return request.getfixturevalue("redis_server").url
    server = request.getfixturevalue("postgres")
    address = server.url(server.new_database())
    if request.param == "postgres":
        return address
    return address.replace(f":{server.port}/", f":{request.getfixturevalue('pgbouncer')}/")


@pytest.fixture
def limiters(location):
    """Return a function that makes limiters of one token, like those of several machines."""
    made, token = [], uuid.uuid4().hex[:12]

    def make(limit=LIMIT, clock=None, fingerprint=token):
        store = store_at(location, Clock())
        made.append((RateLimiter(store, fingerprint, limit, clock or Clock()), store))
        return made[-1][0]

    yield make
    for limiter, store in made:
        limiter.close()
        store.close()


def take(limiter, turns=1):
    async def run():
        for _ in range(turns):
            await limiter.wait_for_turn("services/getAll")

    asyncio.run(run())


def pause(limiter, seconds):
    asyncio.run(limiter.pause(seconds))


def pause_left(limiter):
    with pytest.raises(TooManyRequests) as caught:
        take(limiter)
    return caught.value.retry_after


def no_longer_new(limiter):
    """Wait until a Redis that was just started trusts what it has counted."""
    take(limiter)
    return limiter


def test_tokens_do_not_wait_for_each_other(limiters, fake_time):
    take(no_longer_new(limiters()), LIMIT.requests)
    take(limiters(clock=fake_time.clock, fingerprint=uuid.uuid4().hex[:12]), LIMIT.requests)
    assert fake_time.pauses == []


def test_a_pause_stops_every_machine_and_is_never_shortened(limiters):
    first, second = limiters(), limiters()
    pause(first, 300.0)
    pause(second, 7.0)
    assert 250.0 < pause_left(second) <= 300.0
    pause(second, 1e9)
    assert 550.0 < pause_left(first) <= 600.0


def test_a_server_whose_clock_was_set_back_costs_one_window(limiters, location, fake_time):
    """The stored times are then ahead of the clock; here they are moved instead of the clock."""
    limiter = no_longer_new(limiters(LIMIT))
    take(limiter)
    ahead = 3600 * 1000
    if location.startswith("redis:"):
        with redis.Redis.from_url(location) as client:
            key = limiter._counter.bucket.bucket_key
            for member, score in client.zrange(key, 0, -1, withscores=True):
                client.zadd(key, {member: score + ahead})
    else:
        table = limiter._counter.bucket._full_tbl
        with psycopg.connect(location) as connection:
            connection.execute(f"UPDATE {table} SET item_timestamp = item_timestamp + interval '1 hour'")
    take(limiter, 2 * LIMIT.requests)
    assert limiter._counter.bucket.peek(0).timestamp <= limiter._counter.state().now


def test_machines_that_begin_at_once_all_get_their_turn(limiters):
    machines = [limiters(RateLimit(requests=100, window_seconds=0.5)) for _ in range(8)]
    together = Barrier(len(machines))

    def begin(machine):
        together.wait()
        take(machine)

    with ThreadPoolExecutor(len(machines)) as threads:
        list(threads.map(begin, machines))
    assert machines[0]._counter.bucket.count() == len(machines)


def test_two_machines_can_make_the_tables_at_once(postgres):
    database = postgres.new_database()
    store = store_at(postgres.url(database), Clock())
    with psycopg.connect(postgres.url(database)) as other, ThreadPoolExecutor(1) as threads:
        other.execute(in_postgres._LOCK_PAUSES)
        other.execute(in_postgres._CREATE_PAUSES)
        opened = threads.submit(store.open, "0123456789ab", Rate(1, 1))
        while not postgres.sql(database, "SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert not opened.done()
        other.commit()
        opened.result().close()
    store.close()


def test_a_table_that_another_machine_locks_is_asked_again_after_a_moment(postgres, fake_time):
    address = postgres.url(postgres.new_database())
    store = store_at(address, Clock())
    limiter = RateLimiter(store, "0123456789ab", LIMIT, fake_time.clock)
    take(limiter)
    with psycopg.connect(address) as other:
        other.execute("LOCK TABLE ratelimit___pso_0123456789ab IN EXCLUSIVE MODE")

        async def release():
            other.rollback()

        fake_time.after_pause = release
        take(limiter)
    (pause_seconds,) = fake_time.pauses
    assert 0.01 <= pause_seconds <= 0.03
    limiter.close()
    store.close()


def test_no_two_machines_count_at_once_in_redis(redis_server, monkeypatch):
    """The bucket would not see what another machine counts after this one has read the time."""
    stores = [RedisStore(redis_server.url) for _ in range(2)]
    first, second = (store.open("0123456789ab", Rate(1, 1)) for store in stores)
    with first.exclusively():
        monkeypatch.setattr(in_redis, "_LOCK_SECONDS", 0.02)
        with pytest.raises(StoreUnavailable, match="another machine has locked the token"), second.exclusively():
            pass
    for store in stores:
        store.close()


def test_a_store_whose_content_was_removed_starts_again(limiters, location):
    limiter = no_longer_new(limiters())
    if location.startswith("redis:"):
        with redis.Redis.from_url(location) as client:
            client.script_flush()
            client.flushdb()
    else:
        with psycopg.connect(location) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    take(limiter)
    assert limiter._counter.bucket.count() == 1


@pytest.mark.parametrize(
    "where",
    ["redis://:hunter2222@127.0.0.1:{port}/0", "postgresql://me:hunter2222@127.0.0.1:{port}/limits"],
)
def test_a_server_that_cannot_be_reached_is_one_line_without_its_password(where, fake_time):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        store = store_at(where.format(port=closed.getsockname()[1]), Clock())
        limiter = RateLimiter(store, "0123456789ab", LIMIT, fake_time.clock)
        with pytest.raises(StoreUnavailable, match=r"^the rate limiter cannot use (Redis|PostgreSQL) \(") as caught:
            take(limiter)
    assert "refused" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hunter2222" not in str(caught.value) + store.description


def test_a_wrong_password_is_the_reason(postgres, fake_time):
    database = postgres.new_database()
    postgres.sql(database, "DO $$ BEGIN CREATE ROLE nobody NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    store = store_at(postgres.url(database).replace("pso@", "nobody:hunter2222@"), Clock())
    limiter = RateLimiter(store, "0123456789ab", LIMIT, fake_time.clock)
    with pytest.raises(StoreUnavailable, match='role "nobody" is not permitted to log in'):
        take(limiter)


def test_the_time_zone_of_a_database_does_not_matter(postgres):
    """The bucket stores times without a zone, and compares them to times with one."""
    database = postgres.new_database()
    stores = []
    for zone in ("America/New_York", "Asia/Tokyo"):
        postgres.sql("postgres", f"ALTER DATABASE \"{database}\" SET timezone = '{zone}'")
        stores.append(store_at(postgres.url(database), Clock()))
        limiter = RateLimiter(stores[-1], "0123456789ab", LONG, Clock())
        take(limiter, 2)
        assert limiter._counter
        count = limiter._counter.bucket.count()
        limiter.close()
        stores[-1].close()
    assert count == 4


def test_a_server_knows_the_fingerprint_of_a_token_only(postgres, redis_server):
    database, fingerprint = postgres.new_database(), uuid.uuid4().hex[:12]
    for address in (postgres.url(database), redis_server.url):
        store = store_at(address, Clock())
        limiter = RateLimiter(store, fingerprint, LIMIT, Clock())
        take(limiter)
        pause(limiter, 0.01)
        limiter.close()
        store.close()
    tables = postgres.sql(database, "SELECT tablename::VARCHAR FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    assert tables == [("pso_token_pauses",), (f"ratelimit___pso_{fingerprint}",)]
    with redis.Redis.from_url(redis_server.url) as client:
        keys = {key.decode() for key in client.scan_iter(f"*{fingerprint}*")}
    assert f"pso:{{{fingerprint}}}:requests" in keys
