"""How large DAGSTER_HOME becomes, refresh by refresh, with the housekeeping of each simulated day.

    python -m benchmarks.storage --refreshes 5000 --hotels 50 --a-day 96 --keep-days 14

Every refresh is the real job on a real instance; one hotel has changed in each of them. With `--events-only`, the steps
return the outcomes of the first refreshes instead of reading, computing and publishing again, so that a refresh costs
what its events cost. The clock is simulated: what ended `keep-days` times `a-day` refreshes ago is as old as that.
"""

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import click

HALF_HOURS_A_DAY = 48


@click.command()
@click.option("--refreshes", type=click.IntRange(1), default=5000, show_default=True)
@click.option("--hotels", type=click.IntRange(1), default=50, show_default=True)
@click.option("--a-day", type=click.IntRange(1), default=96, show_default=True, help="Refreshes in a simulated day.")
@click.option("--keep-days", type=click.IntRange(1), default=14, show_default=True)
@click.option("--seconds", type=float, default=None, help="Stop after this time.")
@click.option("--events-only", is_flag=True, help="Return the outcomes of the first refreshes again.")
def main(**options: Any) -> None:
    """Print the size of DAGSTER_HOME at the end of each simulated day."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        _measure(SimpleNamespace(**options))


def _measure(size: SimpleNamespace) -> None:
    from dagster import DagsterInstance

    from pso_pipeline.cli.environment import prepare_dagster_home
    from pso_pipeline.orchestration import repeating
    from pso_pipeline.orchestration.definitions import defs
    from pso_pipeline.orchestration.retention import prune
    from pso_pipeline_tests.fakes.scripted import ScriptedWorld
    from pso_pipeline_tests.fakes.server import serve

    world = ScriptedWorld()
    services = [world.add_service(world.add_enterprise(Name=f"Hotel {number}")) for number in range(size.hotels)]
    orders = [world.add_order(service, State="Confirmed") for service in services for _ in range(5)]
    home = prepare_dagster_home(Path("dagster"))
    job = defs.get_job_def("refresh")
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    began, ended, replayed = time.monotonic(), [], _Replayed()
    with serve(world, requests_per_window=None) as running, DagsterInstance.get() as instance:
        os.environ |= {
            "MEWS_PLATFORM_ADDRESS": running.address,
            "MEWS_CLIENT_TOKEN": world.client_token,
            "MEWS_ACCESS_TOKENS": world.access_token,
        }
        for number in range(size.refreshes):
            if number >= HALF_HOURS_A_DAY and size.a_day > HALF_HOURS_A_DAY:
                repeating.REPEATED_AFTER = datetime.now(UTC) - ended[-(size.a_day // HALF_HOURS_A_DAY)]
            world.change(orders[number % len(orders)], State=("Started", "Processed")[number // len(orders) % 2])
            with replayed.steps(number) if size.events_only else mock.MagicMock():
                assert job.execute_in_process(instance=instance, run_config=quiet).success
            ended.append(datetime.now(UTC))
            if (number + 1) % size.a_day == 0:
                before = _size(home)
                kept = size.keep_days * size.a_day
                pruned = prune(instance, timedelta(), ended[-kept]) if len(ended) > kept else None
                print(
                    f"day {(number + 1) // size.a_day}: {number + 1:,} refreshes, {_size(home) / 1e6:.1f} MB "
                    f"({before / 1e6:.1f} before housekeeping), {_files(home):,} files, "
                    f"{(time.monotonic() - began):.0f} s; {pruned.describe() if pruned else 'nothing is old'}",
                    flush=True,
                )
                if size.seconds is not None and time.monotonic() - began > size.seconds:
                    return


class _Replayed:
    """The outcomes of steps, by the function and by how many of its calls came before in a refresh."""

    WARM_UP = 8
    STEPS = (
        "list_enterprises", "list_services", "sync", "compute_metrics", "publish_snapshot", "evaluate_landed_tables",
        "evaluate_counts", "evaluate_metrics", "evaluate_snapshot", "sample_hotels",
    )  # fmt: skip

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, int], list[object]] = {}
        self._calls: dict[str, int] = {}

    def steps(self, number: int) -> mock._patch_dict | mock._patch:
        from pso_pipeline.orchestration import jobs

        self._calls = {}
        return mock.patch.multiple(jobs, **{name: self._step(name, getattr(jobs, name), number) for name in self.STEPS})

    def _step(self, name: str, real: Callable[..., object], number: int) -> Callable[..., object]:
        def step(*arguments: Any, **options: Any) -> object:
            call = self._calls[name] = self._calls.get(name, 0) + 1
            outcomes = self._outcomes.setdefault((name, call), [])
            if number < self.WARM_UP or not outcomes:
                outcomes.append(real(*arguments, **options))
                return outcomes[-1]
            # the first refresh reads everything, those after it one hotel
            return outcomes[-1 - number % (self.WARM_UP - 1) % len(outcomes)]

        return step


def _size(home: Path) -> int:
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file())


def _files(home: Path) -> int:
    return sum(path.is_file() for path in home.rglob("*"))


if __name__ == "__main__":
    main()
