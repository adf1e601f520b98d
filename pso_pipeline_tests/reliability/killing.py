"""This module kills refreshes at random moments while the source changes, and compares the warehouse with the source.

    python -m pso_pipeline_tests.reliability.killing --kills 60

runs the long form and prints the result as JSON. The moments are spread evenly over the duration of the last complete
refresh, so that kills hit each of its steps: discovery, fetching, landing, marts and publication.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from pso_pipeline.sandbox.world import GeneratedWorld
from pso_pipeline_tests.fakes.server import serve
from pso_pipeline_tests.processes import finish
from pso_pipeline_tests.reliability.refreshes import Refreshes

SHARE_KILLED_AGAIN = 0.5
"""The share of kills that are followed by another kill before a complete refresh."""


def kill_at_random(folder, kills, seed, *, orders=4_000, enterprises=4, first_length=5.0, say=lambda _: None):
    """Kill refreshes, beginning with an empty folder; compare with the source, and return the figures.

    `first_length` is the assumed duration in seconds until the first complete refresh.
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
        tally["ended before the kill"] += 1


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
