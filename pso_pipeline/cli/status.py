"""`pso status`: how fresh every hotel and the publication are, and what is wrong; for people, or JSON for programs."""

import json
import sys
from datetime import UTC, datetime, timedelta

import click
from rich.table import Table
from rich.text import Text

from pso_pipeline.cli.environment import FAILED, load_settings, say, stop, terminal
from pso_pipeline.cli.pipeline import PipelineState, read_pipeline
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.reading import EnterpriseStatus, read_status, reason_of, state_of
from pso_pipeline.warehouse.session import Warehouse

PATIENCE_SECONDS = 60.0
"""How long a person waits for a landing to end."""

_COLOURS = {
    "fresh": "green",
    "stale": "yellow",
    "failing": "red",
    "never read": "yellow",
    "no services listed": "yellow",
    "out of scope": "dim",
}


@click.command("status")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON, one object for each hotel, each with the state of the pipeline.",
)
def command(as_json: bool) -> None:  # click passes options by name
    """Print how every hotel, the publication and the daemon stand; status 1 when anything is failing or stale."""
    settings = load_settings()
    warehouse = Warehouse(settings.pso_warehouse, settings.platform_address, patience_seconds=PATIENCE_SECONDS)
    if not warehouse.exists:
        stop(f"nothing has landed in {warehouse.shown_location} yet: run `pso refresh`", FAILED)
    try:
        with warehouse.open() as connection:
            found = read_status(connection)
    except WarehouseError as error:
        stop(str(error), FAILED)
    now = datetime.now(UTC)
    stale_after = timedelta(hours=settings.pso_stale_after_hours)
    states = {each.enterprise_id: state_of(each, now, stale_after) for each in found}
    pipeline = read_pipeline(settings, now)
    if as_json:
        shown = _pipeline_as_json(pipeline, now)
        click.echo(json.dumps([_as_json(each, states[each.enterprise_id], shown, now) for each in found], indent=2))
    else:
        _print_table([each for each in found if each.is_in_scope], states, now)
        _print_out_of_scope([each for each in found if not each.is_in_scope], now)
        _print_pipeline(pipeline, now)
    for problem in pipeline.problems:
        say(problem)
    sys.exit(FAILED if pipeline.problems or {"failing", "stale", "never read"} & set(states.values()) else 0)


def _lag(status: EnterpriseStatus, now: datetime) -> timedelta | None:
    return None if status.watermark_utc is None else max(now - status.watermark_utc, timedelta())


def _pipeline_as_json(pipeline: PipelineState, now: datetime) -> dict[str, object]:
    as_of = pipeline.as_of_utc
    return {
        "problems": [for_terminal(problem) for problem in pipeline.problems],
        "published_utc": _text(pipeline.published_utc),
        "as_of_utc": _text(as_of),
        "age_seconds": None if as_of is None else round(max(now - as_of, timedelta()).total_seconds()),
        "daemon": pipeline.daemon,
        "daemon_seen_utc": _text(pipeline.daemon_seen_utc),
    }


def _as_json(status: EnterpriseStatus, state: str, pipeline: dict[str, object], now: datetime) -> dict[str, object]:
    lag = _lag(status, now)
    return {
        "partition_key": status.partition_key,
        "enterprise_id": status.enterprise_id,
        "name": status.name,
        "status": state,
        "last_success_utc": _text(status.last_success_utc),
        "watermark_utc": _text(status.watermark_utc),
        "lag_seconds": None if lag is None else round(lag.total_seconds()),
        "orders": status.orders,
        "rejected_records": status.rejected,
        "last_error": status.last_error,
        "reason": reason_of(status),
        "pipeline": pipeline,
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _print_table(found: list[EnterpriseStatus], states: dict[str, str], now: datetime) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("hotel", "status", "last success (UTC)", "watermark (UTC)", "lag", "orders", "last error"):
        table.add_column(name, justify="right" if name in {"lag", "orders"} else "left", overflow="fold")
    for each in found:
        state = states[each.enterprise_id]
        lag = _lag(each, now)
        table.add_row(
            each.partition_key,
            Text(state, style=_COLOURS[state]),
            *(
                moment.strftime("%Y-%m-%d %H:%M:%S") if moment else ""
                for moment in (each.last_success_utc, each.watermark_utc)
            ),
            "" if lag is None else str(timedelta(seconds=round(lag.total_seconds()))),
            f"{each.orders:,}",
            for_terminal(reason_of(each) or ""),
        )
    terminal().print(table)


def _print_out_of_scope(found: list[EnterpriseStatus], now: datetime) -> None:
    """List the hotels that no token sees any more apart, with the age of what is known of them."""
    if not found:
        return
    table = Table(box=None, pad_edge=False)
    for name in ("out of scope", "orders", "as of (UTC)", "age"):
        table.add_column(name, justify="left" if name == "out of scope" else "right", overflow="fold")
    for each in found:
        lag = _lag(each, now)
        known = each.watermark_utc.strftime("%Y-%m-%d %H:%M:%S") if each.watermark_utc else ""
        age = "" if lag is None else str(timedelta(seconds=round(lag.total_seconds())))
        table.add_row(each.partition_key, f"{each.orders:,}", known, age, style="dim")
    click.echo()
    terminal().print(table)


def _print_pipeline(pipeline: PipelineState, now: datetime) -> None:
    if pipeline.published_utc is None:
        snapshot = "nothing was published yet"
    else:
        as_of = pipeline.as_of_utc
        age = "" if as_of is None else f", with the changes of {_ago(now - as_of)} ago"
        snapshot = f"published {_ago(now - pipeline.published_utc)} ago{age}"
    seen = pipeline.daemon_seen_utc
    daemon = {
        "alive": "alive",
        "none": "has not run here",
        "replaced": "has ended; refreshes are started by something else",
        "dead": f"dead since {_ago(now - seen)}" if seen else "dead",
    }[pipeline.daemon]
    click.echo(f"\nsnapshot: {snapshot}\ndaemon:   {daemon}")


def _ago(span: timedelta) -> str:
    return str(timedelta(seconds=round(max(span, timedelta()).total_seconds())))
