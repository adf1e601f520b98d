"""`pso refresh` runs the Dagster job once in this process and prints a summary for people and cron mails.

What a refresh does belongs to `orchestration/`. Add here only options and output.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from dagster import DagsterExecutionInterruptedError, DagsterInstance, ExecuteInProcessResult, Failure
from rich.text import Text

from pso_pipeline.cli.environment import FAILED, MISCONFIGURED, load_settings, new_table, say, stop, terminal
from pso_pipeline.cli.instance import InstanceUnusable, open_instance
from pso_pipeline.ingestion.sync import EnterpriseOutcome, SyncReport
from pso_pipeline.orchestration.definitions import PIPELINE, defs
from pso_pipeline.orchestration.jobs import is_ours
from pso_pipeline.orchestration.partitions import ENTERPRISE_PARTITIONS
from pso_pipeline.orchestration.runs import MAX_RUNTIME, end_dead_runs
from pso_pipeline.orchestration.steps import describe_token_failures, list_enterprises
from pso_pipeline.text import for_terminal

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
    help="Read only the hotel with this partition key; can be repeated.",
)
@click.option("--full", is_flag=True, help="Read all history again and mark orders that are missing from the source.")
def command(keys: tuple[str, ...], full: bool) -> None:  # click passes options by name
    """Find hotels, read changed orders, compute the metrics and publish the snapshot, once."""
    settings = load_settings()
    sys.exit(0 if run_refresh(settings.dagster_home, keys, is_full=full) else FAILED)


def run_refresh(dagster_home: Path, keys: Sequence[str] = (), *, is_full: bool = False) -> bool:
    """Run the job on the Dagster instance in this folder and print the result; return whether it succeeded."""
    try:
        with open_instance(dagster_home) as instance, _signals_as_interrupts():
            end_dead_runs(instance, is_ours)
            if keys:
                _check_keys(instance, keys)
            result = defs.get_job_def("full_resync" if is_full else "refresh").execute_in_process(
                instance=instance,
                run_config={
                    "ops": {"sync_orders": {"config": {"enterprises": list(keys), "full": is_full}}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                raise_on_error=False,
            )
    except InstanceUnusable as error:
        stop(str(error), FAILED)
    report = _sync_report(result)
    if report is not None and report.enterprises:
        _print_report(report)
    if not result.success:
        for line in _reasons(result) or [INTERRUPTED]:
            say(line)
    return result.success


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


def _check_keys(instance: DagsterInstance, keys: Sequence[str]) -> None:
    """End the command with a usage error if a key is unknown, even after a request for new hotels."""
    name = str(ENTERPRISE_PARTITIONS.name)
    if set(keys) <= set(instance.get_dynamic_partitions(name)):
        return
    try:
        found = list_enterprises(PIPELINE, instance)
    except Failure as failure:
        stop(str(failure.description), FAILED)
    if found.report.failures:
        stop("\n".join(describe_token_failures(found.report.failures)), FAILED)
    if unknown := sorted(set(keys) - set(instance.get_dynamic_partitions(name))):
        stop(f"no such enterprise: {', '.join(unknown)}; `pso status` lists the keys", MISCONFIGURED)


def _sync_report(result: ExecuteInProcessResult) -> SyncReport | None:
    if any(event.node_name == "sync_orders" for event in result.get_step_success_events()):
        report: SyncReport = result.output_for_node("sync_orders")
        return report
    return None


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
    for line in report.notices:
        console.print(for_terminal(line), soft_wrap=True)
