"""The sandbox in a process of its own, without a rate limit, with a clock that the benchmark sets.

Run as a module, it serves; `serving` starts this process and returns its address. The clock stands still in between, so
that every run reads the same orders; moving it makes a known share of them change.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

BEGINNING = datetime(2026, 10, 15, 12, tzinfo=UTC)
HISTORY_FROM = datetime(2024, 10, 1, tzinfo=UTC)
STOP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Server:
    """A running sandbox: its address and tokens, how many orders it has, and the pipe that sets its clock."""

    address: str
    client_token: str
    access_token: str
    orders: int
    enterprises: int
    _commands: IO[str]
    _answers: IO[str]

    def set_clock(self, moment: datetime) -> None:
        """Set the server's clock to another moment."""
        self._commands.write(f"{int(moment.timestamp())}\n")
        self._commands.flush()
        self._answers.readline()


@contextlib.contextmanager
def serving(orders: int, enterprises: int, services: int | None = None) -> Iterator[Server]:
    """Serve about `orders` orders of a number of hotels, each with a number of services, until the block ends."""
    numbers = [orders, enterprises, *([] if services is None else [services])]
    arguments = [sys.executable, "-m", "benchmarks.server", *map(str, numbers)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            yield Server(**ready, enterprises=enterprises, _commands=process.stdin, _answers=process.stdout)
        finally:
            process.stdin.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def main(orders: int, enterprises: int, services: int | None = None) -> None:
    """Serve until standard input ends; each line of it is a time for the clock."""
    # not in the process that measures: the kernel counts the memory of a parent as a peak of its child's
    from pso_pipeline.sandbox.app import Application
    from pso_pipeline.sandbox.clock import Clock
    from pso_pipeline.sandbox.world import GeneratedWorld
    from pso_pipeline_tests.fakes.server import serving

    clock = Clock(frozen_at=BEGINNING)
    world = GeneratedWorld(
        enterprises=enterprises, orders=orders, services_of_each=services, since=HISTORY_FROM, clock=clock
    )
    with serving(Application(world, rate_limit=None)) as (address, _):
        ready = {
            "address": address,
            "client_token": world.client_token,
            "access_token": world.access_token,
            "orders": world.count_orders(),
        }
        print(json.dumps(ready), flush=True)
        for line in sys.stdin:
            clock.freeze(int(line))
            print(flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
