import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pso_pipeline.mews.errors import TooManyRequests
from pso_pipeline.mews.limiter import LimiterUnusable, RateLimit, RateLimiter
from pso_pipeline_tests.mews import greedy
from pso_pipeline_tests.mews.scripted_server import Reply, ScriptedServer

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

    def make(fingerprint="0123456789ab", limit=LIMIT):
        made.append(RateLimiter(tmp_path / "state", fingerprint, limit, fake_time.clock))
        return made[-1]

    yield make
    for limiter in made:
        limiter.close()


def take(limiter, turns=1):
    async def run():
        for _ in range(turns):
            await limiter.wait_for_turn(OPERATION)

    asyncio.run(run())


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
    limiters().close()
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
    first.pause(7.0)
    take(other)
    assert pause_left(second) == 7.0
    fake_time.now += 7.0
    take(second)
    assert fake_time.pauses == []


def test_a_pause_is_never_shortened(limiters):
    limiter = limiters()
    limiter.pause(20.0)
    limiter.pause(3.0)
    assert pause_left(limiter) == 20.0


def test_a_pause_that_begins_while_a_caller_waits_for_room_stops_it(limiters, fake_time):
    limiter, other = limiters(), limiters()
    take(limiter, 5)

    async def pause():
        other.pause(4.0)

    fake_time.after_pause = pause
    assert pause_left(limiter) == 4.0


def test_no_pause_is_longer_than_ten_minutes(limiters):
    limiter = limiters()
    limiter.pause(1e9)
    assert pause_left(limiter) == 600.0


def test_a_file_cannot_stop_a_token_for_longer_than_ten_minutes(limiters, tmp_path, fake_time):
    limiter = limiters()
    limiter.pause(7.0)
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
    limiter.pause(20.0)
    fake_time.now -= 3600.0
    take(limiter)
    assert fake_time.pauses == []


def test_old_requests_are_forgotten(limiters, fake_time):
    limiter = limiters()
    for _ in range(20):
        take(limiter, 5)
    assert limiter._bucket.count() <= 2 * LIMIT.requests


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
    assert limiter._bucket.count() == 6


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
    assert limiter._bucket.count() == 1


def test_files_that_cannot_be_used_are_named(limiters, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "requests-0123456789ab.sqlite").mkdir()
    with pytest.raises(LimiterUnusable, match=r"requests-0123456789ab\.sqlite"):
        limiters()


def start(server: ScriptedServer, state_dir: Path, **settings):
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            greedy.__name__,
            json.dumps({"address": server.address, "dir": str(state_dir)} | settings),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(greedy.__file__).parents[2],
        text=True,
    )


def finish(process):
    with process:
        output = process.stdout.read()
    assert process.returncode == 0
    return json.loads(output)


def go(*processes) -> None:
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def test_processes_together_stay_within_the_limit(tmp_path):
    with ScriptedServer(Reply(body={"Services": [], "Cursor": None})) as server:
        settings = {"requests": 20, "window": 1.0, "margin": 0.3, "calls": 14}
        processes = [start(server, tmp_path, **settings) for _ in range(4)]
        go(*processes)
        assert [finish(process)["done"] for process in processes] == [14] * 4
        arrivals = sorted(received.at for received in server.received)
    assert len(arrivals) == 4 * 14
    for first, beyond in zip(arrivals, arrivals[20:], strict=False):
        assert beyond - first > 1.0


def test_a_pause_is_obeyed_by_another_process(tmp_path):
    with ScriptedServer(Reply(body={"Services": [], "Cursor": None})) as server:
        server.replies.append(Reply(429, {"Message": "slow down"}, {"Retry-After": "1"}))
        settings = {"requests": 20, "window": 1.0, "margin": 0.1}
        refused = start(server, tmp_path, calls=1, pause_seconds=0.0, **settings)
        other = start(server, tmp_path, calls=3, **settings)
        go(refused)
        assert finish(refused)["failed"] == ["TooManyRequests"]
        paused_since = time.monotonic()
        go(other)
        assert finish(other)["done"] == 3
        arrivals = [received.at for received in server.received]
    assert len(arrivals) == 4
    assert arrivals[1] - arrivals[0] >= 1.0
    assert arrivals[1] > paused_since, "the other process had not sent anything before"
