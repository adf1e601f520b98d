"""The sandbox in a process of its own, without a rate limit, with a clock that stands still until it is told the time.

Run as a module it serves; `serving` starts it so and gives its address. A clock that stands still makes every run read
the same orders; moving it makes a known share of them change.
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
PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Server:
    """A running sandbox: how to reach it, how many orders it holds, and the pipe that tells it the time."""

    address: str
    client_token: str
    access_token: str
    orders: int
    enterprises: int
    _commands: IO[str]
    _answers: IO[str]

    def set_clock(self, moment: datetime) -> None:
        """Let the server's clock stand at another moment."""
        self._commands.write(f"{int(moment.timestamp())}\n")
        self._commands.flush()
        self._answers.readline()


@contextlib.contextmanager
def serving(orders: int, enterprises: int, services: int | None = None) -> Iterator[Server]:
    """Serve about so many orders of so many hotels for the length of the block; each sells so many services."""
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
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def main(orders: int, enterprises: int, services: int | None = None) -> None:
    """Serve until standard input ends; each line on it is the time at which the clock shall stand."""
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
