"""A dashboard next to the pipeline: the cost of its queries alone, on a busy machine, and during a publication.

Run as a module, it repeats the same queries, each round through a new connection, until standard input ends. `beside`
runs it during something else.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.processes import Cost

QUERIES = (
    """
    SELECT date_trunc('month', date), sum(canceled_within_30d) / sum(mature_firm_orders_30d)
    FROM mart.agg_orders_daily GROUP BY 1 ORDER BY 1
    """,
    "SELECT enterprise_name, count(*) FROM mart.rpt_orders WHERE is_firm GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
    "SELECT service_name, origin, count(*) FROM mart.rpt_orders GROUP BY ALL ORDER BY 3 DESC LIMIT 10",
)
BUSY = "import hashlib, itertools\nfor _ in itertools.repeat(0): hashlib.sha256(bytes(1_000_000))"


def beside(work: Callable[[], object], environment: Mapping[str, str]) -> Cost:
    """Query while `work` runs; return the medians of a round, with the number of rounds as `orders`."""
    command = [sys.executable, "-m", "benchmarks.readers"]
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdout.readline()
        work()
        reader.stdin.close()
        rounds = json.loads(reader.stdout.read())
    cpu, wall = rounds["cpu"], rounds["wall"]
    return Cost(cpu, wall, 0.0, orders=rounds["rounds"], step_cpu=cpu, step_wall=wall)


def rest(seconds: float) -> None:
    """Leave the machine to the readers."""
    time.sleep(seconds)


def keep_busy(seconds: float) -> None:
    """Keep every core at work."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)]
    time.sleep(seconds)
    for other in others:
        other.kill()
        other.wait()


def main(database: Path) -> None:
    """Query until standard input ends; print the medians of CPU and time of a round."""
    import select

    import duckdb

    rounds = []
    is_first = True
    while is_first or not select.select([sys.stdin], [], [], 0)[0]:
        began, cpu = time.monotonic(), time.process_time()
        with duckdb.connect(database, read_only=True, config={"threads": 1}) as connection:
            for query in QUERIES:
                connection.execute(query).fetchall()
        if not is_first:
            rounds.append((time.process_time() - cpu, time.monotonic() - began))
        else:
            # what is read for the first time comes from the disk
            print(flush=True)
            is_first = False
    cpus, walls = zip(*rounds, strict=True)
    medians = {"rounds": len(rounds), "cpu": statistics.median(cpus), "wall": statistics.median(walls)}
    print(json.dumps(medians))


if __name__ == "__main__":
    main(Path(os.environ["PSO_BI_DIR"]) / "pso_bi.duckdb")
