"""A program that reads the snapshot until its standard input closes, and then prints what it saw as JSON.

    python reader.py BI_DIR reopen|hold|parquet generations|refreshes

`reopen` opens the public DuckDB file, queries and closes, again and again; `hold` opens it once; `parquet` follows
`current` once for each read and takes the Parquet files and the manifest from there. The last argument says what is
published, and so what must agree.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from types import ModuleType

import duckdb

from pso_pipeline.bi.folder import current_snapshot
from pso_pipeline_tests.bi import generations, refreshes


def reopen(bi_dir: Path, published: ModuleType) -> Iterator[int]:
    while True:
        yield generations.read_database_generation(bi_dir / "pso_bi.duckdb", published.read_generation)


def hold(bi_dir: Path, published: ModuleType) -> Iterator[int]:
    with duckdb.connect(str(bi_dir / "pso_bi.duckdb"), read_only=True, config={"threads": 1}) as connection:
        while True:
            yield published.read_generation(connection)


def parquet(bi_dir: Path, published: ModuleType) -> Iterator[int]:
    while True:
        snapshot = current_snapshot(bi_dir)
        generation = generations.read_parquet_generation(snapshot.directory, published.read_generation)
        published.check_manifest(snapshot.manifest, generation)
        yield generation


MODES: dict[str, Callable[[Path, ModuleType], Iterator[int]]] = {"reopen": reopen, "hold": hold, "parquet": parquet}
PUBLISHED = {"generations": generations, "refreshes": refreshes}


def main(bi_dir: Path, mode: str, published: ModuleType) -> None:
    ended = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    seen: list[int] = []
    failures: list[str] = []
    longest = 0.0
    reading = MODES[mode](bi_dir, published)
    while not ended.is_set():
        start = perf_counter()
        try:
            seen.append(next(reading))
        except Exception as error:  # noqa: BLE001 whatever a read fails with is what the test asks for
            failures.append(f"{type(error).__name__}: {error}")
            reading = MODES[mode](bi_dir, published)
        longest = max(longest, perf_counter() - start)
        if len(seen) + len(failures) == 1:
            sys.stdout.write("reading\n")
            sys.stdout.flush()
    report = {
        "mode": mode,
        "reads": len(seen),
        "generations": len(set(seen)),
        "in_order": seen == sorted(seen),
        "failures": failures,
        "longest": round(longest, 3),
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], PUBLISHED[sys.argv[3]])
