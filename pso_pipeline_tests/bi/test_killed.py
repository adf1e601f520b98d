"""SIGKILL while publishing: the snapshot stays whole, and the next publication leaves no litter.

Short where nothing is said; PSO_KILLS=50 kills before every call and 50 times at random, and `--log-cli-level=INFO`
says how often.
"""

import contextlib
import logging
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pso_pipeline.bi.errors import NothingPublished
from pso_pipeline.bi.folder import current_snapshot
from pso_pipeline.bi.snapshot import publish
from pso_pipeline_tests.bi import killed
from pso_pipeline_tests.bi.generations import check_whole

logger = logging.getLogger(__name__)

KILLS = int(os.environ.get("PSO_KILLS", "0"))


@pytest.fixture(scope="module")
def publish_and_kill():
    """Publish in another process, which is killed; returns whether it was, or had ended before."""
    command = [sys.executable, killed.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout

        def ask(marts: Path, bi_dir: Path, kind: str, value: float) -> str:
            assert process.stdin
            assert process.stdout
            process.stdin.write(f"{marts} {bi_dir} {kind} {value}\n")
            process.stdin.flush()
            answer = process.stdout.readline().strip()
            assert answer in {"killed", "finished"}
            return answer

        yield ask


def published_generation(bi_dir: Path) -> int | None:
    with contextlib.suppress(NothingPublished):
        return check_whole(current_snapshot(bi_dir))
    assert not any((bi_dir / name).exists() for name in ("pso_bi.duckdb", "parquet", "semantic", "manifest.json"))
    return None


def check_no_litter(bi_dir: Path, versions: int) -> None:
    names = {path.name for path in bi_dir.iterdir()}
    assert names == {"current", "manifest.json", "parquet", "pso_bi.duckdb", "semantic", "versions"}
    assert len([path for path in (bi_dir / "versions").iterdir() if path.name != ".lock"]) == versions


@pytest.mark.parametrize(("kind", "stride"), [("name", 1), ("step", 1 if KILLS else 12)])
def test_killed_before_any_call(generations, bi_dir, publish_and_kill, kind, stride):
    publish(generations[1], bi_dir)
    before, after, number = 1, 2, 1
    seen: Counter[str] = Counter()
    while publish_and_kill(generations[after], bi_dir, kind, number) == "killed":
        generation = published_generation(bi_dir)
        assert generation in {before, after}
        seen["new" if generation == after else "old"] += 1
        publish(generations[after], bi_dir)
        assert published_generation(bi_dir) == after
        check_no_litter(bi_dir, versions=2)
        before, after, number = after, before, number + stride
    logger.info("killed before %d calls, found the snapshot: %s", seen.total(), dict(seen))
    assert seen["old"]


def test_the_first_publication_killed_before_any_call(generations, bi_dir, publish_and_kill):
    number, stride = 1, 1 if KILLS else 5
    seen: Counter[int | None] = Counter()
    while publish_and_kill(generations[1], bi_dir, "step", number) == "killed":
        seen[published_generation(bi_dir)] += 1
        publish(generations[1], bi_dir)
        assert published_generation(bi_dir) == 1
        check_no_litter(bi_dir, versions=1)
        shutil.rmtree(bi_dir)
        number += stride
    logger.info("killed before %d calls, found the snapshot: %s", seen.total(), dict(seen))
    assert seen[None]


def test_killed_at_random(generations, bi_dir, publish_and_kill):
    moments = random.Random(20261123)
    publish(generations[1], bi_dir)
    before, after = 1, 2
    seen: Counter[str] = Counter()
    while seen["old"] + seen["new"] < (KILLS or 3):
        if publish_and_kill(generations[after], bi_dir, "after", moments.uniform(0, 0.25)) == "finished":
            before, after = after, before
            continue
        generation = published_generation(bi_dir)
        assert generation in {before, after}
        seen["new" if generation == after else "old"] += 1
        publish(generations[after], bi_dir)
        assert published_generation(bi_dir) == after
        check_no_litter(bi_dir, versions=2)
        before, after = after, before
    logger.info("killed %d times at random, found the snapshot: %s", seen.total(), dict(seen))
