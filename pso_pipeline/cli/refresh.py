"""`pso refresh` runs the Dagster job once in this process and prints a summary for people and cron mails.

If `PSO_SHARDED` is set, it runs the jobs of all shards one after the other, each with the lease of its shard.

What a refresh does belongs to `orchestration/`. Add here only options and output.
"""

import contextlib
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
from dagster import DagsterExecutionInterruptedError, DagsterInstance, ExecuteInProcessResult, Failure
from rich.text import Text

from pso_pipeline.cli.environment import FAILED, MISCONFIGURED, load_settings, new_table, say, stop, terminal
from pso_pipeline.cli.hotels import UnknownHotel, find_key
from pso_pipeline.cli.instance import InstanceUnusable, open_instance
from pso_pipeline.cli.progress import shown_progress
from pso_pipeline.ingestion.sync import EnterpriseOutcome, SyncReport
from pso_pipeline.orchestration.definitions import PIPELINE, defs
from pso_pipeline.orchestration.jobs import full_resync, is_ours, refresh
from pso_pipeline.orchestration.queue import READING_OPS, Refresh
from pso_pipeline.orchestration.runs import MAX_RUNTIME, end_dead_runs
from pso_pipeline.orchestration.shards import CONCLUDED_TAG, SHARD_TAG, STAGES, holder_of
from pso_pipeline.orchestration.stages import plan_now
from pso_pipeline.orchestration.steps import describe_token_failures, list_enterprises
from pso_pipeline.settings import SettingsError, ShardSettings
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.reading import read_enterprises

SHOWN_ENTERPRISES = 20
"""The largest number of hotels that the summary lists one by one; beyond it, only failing hotels are listed."""

INTERRUPTS = {KeyboardInterrupt.__name__, DagsterExecutionInterruptedError.__name__}
"""The classes of the errors that a step reports if a signal ends it."""

INTERRUPTED = (
    f"the refresh was ended by a signal, or after {MAX_RUNTIME.total_seconds() / 3600:.0f} hours; "
    "the next one continues"
)


@click.command("refresh")
@click.option(
    "--enterprise",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Read only this hotel: its key, a unique prefix of it, its id or its name; can be repeated.",
)
@click.option("--full", is_flag=True, help="Read all history again and mark orders that are missing from the source.")
def command(keys: tuple[str, ...], full: bool) -> None:  # click passes options by name
    """Find hotels, read changed orders, compute the metrics and publish the snapshot, once."""
    settings = load_settings()
    sys.exit(0 if run_refresh(settings.dagster_home, keys, is_full=full) else FAILED)


def run_refresh(dagster_home: Path, keys: Sequence[str] = (), *, is_full: bool = False) -> bool:
    """Run the job on the Dagster instance in this folder and print the result; return whether it succeeded."""
    try:
        with open_instance(dagster_home) as instance, _signals_as_interrupts(), shown_progress():
            end_dead_runs(instance, is_ours)
            if keys:
                keys = _find_keys(instance, keys)
            is_sharded = ShardSettings.load().pso_sharded
            results = list(_run_shards(instance, keys, is_full) if is_sharded else [_run_job(instance, keys, is_full)])
    except (InstanceUnusable, SettingsError, WarehouseError) as error:
        stop(str(error), FAILED)
    report = _sync_report(results)
    if report is not None and report.enterprises:
        _print_report(report)
    failed = [result for result in results if not result.success]
    for line in dict.fromkeys(line for result in failed for line in _reasons(result) or [INTERRUPTED]):
        say(line)
    return not failed


def _run_job(instance: DagsterInstance, keys: Sequence[str], is_full: bool) -> ExecuteInProcessResult:
    wanted = Refresh(frozenset(keys) or None, full=is_full)
    return _execute(instance, full_resync.name if is_full else refresh.name, wanted)


def _run_shards(instance: DagsterInstance, keys: Sequence[str], is_full: bool) -> Iterator[ExecuteInProcessResult]:
    """Run the jobs of all shards, up to one that could not do its work.

    Raises:
        SettingsError: A setting is missing or malformed.
        WarehouseError: The warehouse cannot be read.
    """
    wanted = Refresh(frozenset(keys) or None, full=is_full)
    for stage in STAGES:
        for shard, reads in plan_now(PIPELINE, stage, wanted).items():
            if (holder := holder_of(instance, shard)) is not None:
                say(f"waiting for {holder}, which holds {shard}")
            result = _execute(instance, stage, reads, {SHARD_TAG: shard})
            yield result
            run = instance.get_run_by_id(result.run_id)
            if not result.success and (run is None or CONCLUDED_TAG not in run.tags):
                return


def _execute(
    instance: DagsterInstance, job_name: str, reads: Refresh, tags: Mapping[str, str] | None = None
) -> ExecuteInProcessResult:
    config = {"enterprises": sorted(reads.keys or ()), "full": reads.full}
    reading = {READING_OPS[job_name]: {"config": config}} if job_name in READING_OPS else {}
    return defs.get_job_def(job_name).execute_in_process(
        instance=instance,
        run_config={"ops": reading, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        tags=tags,
        raise_on_error=False,
    )


@contextlib.contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """Let SIGHUP, SIGTERM and the maximum runtime end the run like Ctrl-C, so that Dagster records a failed run."""
    signals = [signal.SIGHUP, signal.SIGTERM, signal.SIGALRM]
    # nohup ignores SIGHUP, and that must stay so
    before = {each: signal.getsignal(each) for each in signals if signal.getsignal(each) is not signal.SIG_IGN}
    for each in before:
        signal.signal(each, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, MAX_RUNTIME.total_seconds())
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for each, handler in before.items():
            signal.signal(each, handler)


def _find_keys(instance: DagsterInstance, texts: Sequence[str]) -> list[str]:
    """Return the partition keys that are meant; end the command where one is unknown even after a new listing."""
    try:
        return _keys_of(texts)
    except UnknownHotel:
        pass
    try:
        found = list_enterprises(PIPELINE, instance)
    except Failure as failure:
        stop(str(failure.description), FAILED)
    if found.report.failures:
        stop("\n".join(describe_token_failures(found.report.failures)), FAILED)
    try:
        return _keys_of(texts)
    except UnknownHotel as error:
        stop(str(error), MISCONFIGURED)


def _keys_of(texts: Sequence[str]) -> list[str]:
    warehouse = PIPELINE.warehouse()
    if not warehouse.exists:
        hotels = []
    else:
        try:
            with warehouse.open() as connection:
                hotels = read_enterprises(connection)
        except WarehouseError as error:
            stop(str(error), FAILED)
    return list(dict.fromkeys(find_key(text, hotels) for text in texts))


def _sync_report(results: Sequence[ExecuteInProcessResult]) -> SyncReport | None:
    """Return the outcome of all syncs, which are of different hotels; None if none came to its end."""
    reports: list[SyncReport] = [
        result.output_for_node(event.node_name)
        for result in results
        for event in result.get_step_success_events()
        if event.node_name in {"sync_orders", "sync_token"}
    ]
    if not reports:
        return None
    requests: Counter[str] = Counter()
    for report in reports:
        requests.update(report.requests)
    return SyncReport(
        tuple(outcome for report in reports for outcome in report.enterprises),
        sum(report.rejected for report in reports),
        requests,
        tuple(line for report in reports for line in report.notices),
        left_out=sum(report.left_out for report in reports),
        troubles=tuple(line for report in reports for line in report.troubles),
    )


def _reasons(result: ExecuteInProcessResult) -> list[str]:
    """Return one line for each failed step: the description of its Failure, or the root cause of its error."""
    lines: list[str] = []
    for event in result.filter_events(lambda event: event.is_step_failure):
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            lines += data.user_failure_data.description.splitlines()
        elif (error := data.error) and error.cls_name not in INTERRUPTS:
            while error.cause:
                error = error.cause
            lines.append(f"{event.step_key} failed in run {result.run_id}: {error.message.strip().splitlines()[0]}")
    return lines


def _describe(outcome: EnterpriseOutcome) -> Text:
    if outcome.error:
        shown = Text("failed", style="red")
    elif outcome.has_services:
        shown = Text("up to date", style="green")
    else:
        shown = Text("no services listed", style="yellow")
    return shown if outcome.reconciled is None else Text.assemble(shown, f", {outcome.reconciled.describe()}")


def _print_report(report: SyncReport) -> None:
    console = terminal()
    numbers = ("new orders", "changed orders")
    table = new_table(("hotel", *numbers, "outcome"), numbers)
    shown = report.enterprises if len(report.enterprises) <= SHOWN_ENTERPRISES else report.failed
    for each in shown:
        table.add_row(each.partition_key, f"{each.created:,}", f"{each.changed:,}", _describe(each))
    if shown:
        console.print(table)
    up_to_date = sum(each.has_services and each.error is None for each in report.enterprises)
    created = sum(each.created for each in report.enterprises)
    changed = sum(each.changed for each in report.enterprises)
    requests = ", ".join(f"{operation} {count:,}" for operation, count in sorted(report.requests.items()))
    console.print(
        f"{up_to_date} of {len(report.enterprises)} hotels up to date: "
        f"{created:,} new and {changed:,} changed orders, {report.rejected:,} rejected records; requests: {requests}",
        soft_wrap=True,
    )
    for line in (*report.notices, *report.troubles):
        console.print(for_terminal(line), soft_wrap=True)
