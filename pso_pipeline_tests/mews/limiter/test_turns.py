import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pso_pipeline.mews.errors import TooManyRequests
from pso_pipeline.mews.limiter.files import FileStore
from pso_pipeline.mews.limiter.store import LimiterStore, LimiterUnusable, StoreUnavailable
from pso_pipeline.mews.limiter.turns import FIRST_CONTACT_SECONDS, RateLimit, RateLimiter

OPERATION = "services/getAll"
LIMIT = RateLimit(requests=5, window_seconds=30.0, margin_seconds=1.0)

HOLD_LOCK = """
import filelock, sys
with filelock.FileLock(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def limiters(tmp_path, fake_time):
    """Return a function that makes limiters of one token and one state directory, like those of several processes."""
    made = []
    store = FileStore(tmp_path / "state", fake_time.clock)

    def make(fingerprint="0123456789ab", limit=LIMIT):
        made.append(RateLimiter(store, fingerprint, limit, fake_time.clock))
        return made[-1]

    yield make
    for limiter in made:
        limiter.close()


def take(limiter, turns=1):
    async def run():
        for _ in range(turns):
            await limiter.wait_for_turn(OPERATION)

    asyncio.run(run())


def pause(limiter, seconds):
    asyncio.run(limiter.pause(seconds))


def pause_left(limiter):
    """Seconds for which the limiter refuses to give a turn."""
    with pytest.raises(TooManyRequests) as caught:
        take(limiter)
    assert caught.value.status is None
    return caught.value.retry_after


def test_a_window_holds_no_more_than_the_limit(limiters, fake_time):
    limiter = limiters()
    times = []
    for number in range(23):
        take(limiter)
        times.append(fake_time.now)
        fake_time.now += 0.7 * (number % 4)
    for first, beyond in zip(times, times[LIMIT.requests :], strict=False):
        assert beyond - first > LIMIT.window_seconds + LIMIT.margin_seconds - 0.002


@pytest.mark.parametrize("damage", ["not a database", "truncated", "overwritten"])
def test_a_damaged_file_starts_again_as_if_the_limit_was_just_used(limiters, fake_time, damage):
    first = limiters()
    take(first)
    first.close()
    (file,) = Path().glob("**/*.sqlite")
    content = file.read_bytes()
    damaged = {
        "not a database": b"not a database" * 500,
        "truncated": content[: len(content) // 2],
        "overwritten": content[:4096] + b"\xff" * (len(content) - 4096),
    }
    file.write_bytes(damaged[damage])
    limiter = limiters()
    take(limiter)
    assert sum(fake_time.pauses) > LIMIT.window_seconds
    take(limiter, LIMIT.requests - 1)
    assert len(fake_time.pauses) == 1


def test_it_waits_once_until_there_is_room(limiters, fake_time):
    limiter = limiters()
    take(limiter, 5)
    assert fake_time.pauses == []
    take(limiter)
    assert fake_time.pauses == [pytest.approx(31.0, abs=0.002)]


def test_the_window_is_shared_by_all_limiters_of_a_token(limiters, fake_time):
    take(limiters(), 3)
    take(limiters(), 2)
    assert fake_time.pauses == []
    take(limiters())
    assert fake_time.pauses == [pytest.approx(31.0, abs=0.002)]


def test_tokens_do_not_wait_for_each_other(limiters, fake_time):
    take(limiters("aaaaaaaaaaaa"), 5)
    take(limiters("bbbbbbbbbbbb"), 5)
    assert fake_time.pauses == []


def test_a_pause_stops_every_limiter_of_the_token(limiters, fake_time):
    first, second, other = limiters(), limiters(), limiters("bbbbbbbbbbbb")
    pause(first, 7.0)
    take(other)
    assert pause_left(second) == 7.0
    fake_time.now += 7.0
    take(second)
    assert fake_time.pauses == []


def test_a_pause_is_never_shortened(limiters):
    limiter = limiters()
    pause(limiter, 20.0)
    pause(limiter, 3.0)
    assert pause_left(limiter) == 20.0


def test_a_pause_that_begins_while_a_caller_waits_for_room_stops_it(limiters, fake_time):
    limiter, other = limiters(), limiters()
    take(limiter, 5)

    async def pause_the_other():
        await other.pause(4.0)

    fake_time.after_pause = pause_the_other
    assert pause_left(limiter) == 4.0


def test_no_pause_is_longer_than_ten_minutes(limiters):
    limiter = limiters()
    pause(limiter, 1e9)
    assert pause_left(limiter) == 600.0


def test_a_file_cannot_stop_a_token_for_longer_than_ten_minutes(limiters, tmp_path, fake_time):
    limiter = limiters()
    pause(limiter, 7.0)
    os.utime(tmp_path / "state" / "requests-0123456789ab.pause", (2**40, 2**40))
    take(limiter)
    assert fake_time.pauses == []


def test_a_clock_that_is_set_back_costs_one_window_at_most(limiters, fake_time):
    limiter = limiters()
    take(limiter, 5)
    fake_time.now -= 3600.0
    take(limiter, 5)
    assert sum(fake_time.pauses) == pytest.approx(31.0, abs=0.01)


def test_a_clock_that_is_set_back_does_not_lengthen_a_pause(limiters, fake_time):
    limiter = limiters()
    pause(limiter, 20.0)
    fake_time.now -= 3600.0
    take(limiter)
    assert fake_time.pauses == []


def test_old_requests_are_forgotten(limiters, fake_time):
    limiter = limiters()
    for _ in range(20):
        take(limiter, 5)
    assert limiter._counter.bucket.count() <= 2 * LIMIT.requests


def test_callers_of_one_process_are_served_in_order(limiters):
    limiter = limiters()
    served = []

    async def run():
        async def caller(number):
            await limiter.wait_for_turn(OPERATION)
            served.append(number)

        await asyncio.gather(*map(caller, range(12)))

    asyncio.run(run())
    assert served == list(range(12))


def test_a_canceled_caller_counts_nothing_and_blocks_nobody(limiters, fake_time):
    limiter = limiters()
    take(limiter, 5)
    blocked = asyncio.Event()

    async def for_ever():
        blocked.set()
        await asyncio.get_running_loop().create_future()

    async def run():
        moving, fake_time.after_pause = fake_time.after_pause, for_ever
        caller = asyncio.create_task(limiter.wait_for_turn(OPERATION))
        await blocked.wait()
        fake_time.after_pause = moving
        next_caller = asyncio.create_task(limiter.wait_for_turn(OPERATION))
        caller.cancel()
        await next_caller
        assert caller.cancelled()

    asyncio.run(run())
    assert limiter._counter.bucket.count() == 6


def test_waiting_for_the_file_lock_does_not_block_the_event_loop(limiters, tmp_path):
    limiter = limiters()
    lock_file = tmp_path / "state" / "requests-0123456789ab.sqlite.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(lock_file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert next(iter(holder.stdout or ())) == "locked\n"

        async def run():
            waiting = asyncio.create_task(limiter.wait_for_turn(OPERATION))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not waiting.done()
            holder.communicate("go\n")
            await waiting

        asyncio.run(run())
    assert limiter._counter.bucket.count() == 1


def test_files_that_cannot_be_used_are_named(limiters, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "requests-0123456789ab.sqlite").mkdir()
    with pytest.raises(LimiterUnusable, match=r"requests-0123456789ab\.sqlite"):
        take(limiters())


class FailingStore(LimiterStore):
    """A store that does not respond for the first `failures` questions."""

    description = "a store of this test"

    def __init__(self, folder, clock, failures):
        self._store, self.failures = FileStore(folder, clock), failures

    def open(self, fingerprint, rate):
        self.failures -= 1
        if self.failures >= 0:
            raise StoreUnavailable("no answer")
        return self._store.open(fingerprint, rate)


def test_a_store_that_does_not_respond_is_asked_again(tmp_path, fake_time):
    store = FailingStore(tmp_path, fake_time.clock, failures=3)
    limiter = RateLimiter(store, "0123456789ab", LIMIT, fake_time.clock)
    take(limiter)
    limiter.close()
    assert store.failures == -1
    assert len(fake_time.pauses) == 3


def test_without_its_store_no_turn_is_given(tmp_path, fake_time):
    limiter = RateLimiter(FailingStore(tmp_path, fake_time.clock, 1_000_000), "0123456789ab", LIMIT, fake_time.clock)
    for ask in (lambda: take(limiter), lambda: pause(limiter, 7.0)):
        with pytest.raises(StoreUnavailable, match="no answer"):
            ask()
    assert FIRST_CONTACT_SECONDS < fake_time.steady / 2 < FIRST_CONTACT_SECONDS + 2.0


def test_a_turn_that_took_too_long_is_not_used(limiters, fake_time, monkeypatch):
    """The request would arrive among those of another window."""
    limiter = limiters()
    take(limiter)
    counter = limiter._counter
    read_state, slow = counter.state, [0.6, 0.6]

    def state():
        fake_time.steady += slow.pop() if slow else 0.0
        return read_state()

    monkeypatch.setattr(counter, "state", state)
    take(limiter)
    assert counter.bucket.count() == 1 + 3


def test_a_store_that_is_always_too_slow_is_an_error(limiters, fake_time, monkeypatch):
    limiter = limiters(limit=RateLimit(requests=10_000))
    take(limiter)
    read_state = limiter._counter.state

    def state():
        fake_time.steady += 0.6
        return read_state()

    monkeypatch.setattr(limiter._counter, "state", state)
    with pytest.raises(LimiterUnusable, match="it is too slow, or always locked"):
        take(limiter)
