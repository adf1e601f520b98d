"""Killing refreshes at random moments of a living world, again and again, and comparing with the source.

    python -m pso_pipeline_tests.reliability.killing --kills 60

runs the long form and prints what it came to as JSON. The moments are spread evenly over the length of the last refresh
that was not killed; what a process does at each is whatever it happens to do: listing, fetching, landing, deriving,
publishing, opening a file for the first time.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from pso_pipeline.sandbox.generated.world import GeneratedWorld
from pso_pipeline_tests.fakes.server import serve
from pso_pipeline_tests.processes import finish
from pso_pipeline_tests.reliability.refreshes import Refreshes

SHARE_KILLED_AGAIN = 0.5
"""How many of the kills are followed by another one before a refresh is let through to its end."""


def kill_at_random(folder, kills, seed, *, orders=4_000, enterprises=4, first_length=5.0, say=lambda _: None):
    """Kill so many refreshes, the first ones in an empty folder; return the figures. Fails where anything is lost.

    `first_length` is how many seconds a refresh is taken to last before one was let through.
    """
    chance = random.Random(seed)
    tally: Counter[str] = Counter()
    world = GeneratedWorld(seed=seed, enterprises=enterprises, orders=orders)
    world.clock.freeze()
    with serve(world, requests_per_window=None) as sandbox:
        refreshes = Refreshes(sandbox, folder)
        length = first_length
        while tally["kills"] < kills:
            is_full = chance.random() < 0.2 and tally["completed"] > 0
            _kill(refreshes.start(is_full=is_full), chance.uniform(0, length), tally)
            world.clock.advance(chance.choice([30, 600, 7_200, 86_400]))
            if chance.random() > SHARE_KILLED_AGAIN:
                length = _complete(refreshes, tally)
                say(dict(tally))
        _complete(refreshes, tally)
        tally["requests"] = len(sandbox.requests)
    return dict(tally)


def _run(refreshes):
    process = refreshes.start()
    began = time.monotonic()
    finish(process)
    return time.monotonic() - began


def _kill(process, after, tally):
    process.join(after)
    if process.exitcode is None:
        process.kill()
        process.join()
        tally["kills"] += 1
    else:
        assert process.exitcode == 0
        tally["faster than their kill"] += 1


def _complete(refreshes, tally):
    length = _run(refreshes)
    tally["completed"] += 1
    tally["orders"], tally["versions"] = refreshes.compare_with_source()
    tally["orders lost or doubled"] += 0
    return length


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kills", type=int, default=60)
    arguments.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    arguments.add_argument("--orders", type=int, default=20_000)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = kill_at_random(
            Path(folder),
            given.kills,
            given.seed,
            orders=given.orders,
            say=lambda tally: sys.stderr.write(f"{tally}\n"),
        )
    sys.stdout.write(json.dumps({"seed": given.seed} | figures, indent=2) + "\n")
