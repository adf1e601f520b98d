"""`pso status` shows how fresh each hotel and the snapshot are, as a table or as JSON.

Add a column here. The state of a hotel belongs to `warehouse/reading.py`, that of the pipeline to `pipeline.py`.
"""

import json
import sys
from datetime import UTC, datetime, timedelta

import click
from rich.text import Text

from pso_pipeline.cli.environment import FAILED, load_local_settings, new_table, say, stop, terminal
from pso_pipeline.cli.pipeline import PipelineState, read_pipeline
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.reading import EnterpriseStatus, read_status, reason_of, state_of
from pso_pipeline.warehouse.session import Warehouse

LONGEST_WAIT_SECONDS = 60.0
"""How long the command waits for a writer to release the warehouse."""

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
    help="Print JSON: one object for each hotel, each with the state of the pipeline.",
)
def command(as_json: bool) -> None:  # click passes options by name
    """Show each hotel, the snapshot and the daemon; the status is 1 if anything is failing or stale."""
    settings = load_local_settings()
    warehouse = Warehouse(settings.pso_warehouse, wait_seconds=LONGEST_WAIT_SECONDS)
    if not warehouse.exists:
        stop(f"{warehouse.shown_location} contains no orders yet: run `pso refresh`", FAILED)
    try:
        with warehouse.open() as connection:
            hotels = read_status(connection)
    except WarehouseError as error:
        stop(str(error), FAILED)
    now = datetime.now(UTC)
    stale_after = timedelta(hours=settings.pso_stale_after_hours)
    states = {each.enterprise_id: state_of(each, now, stale_after) for each in hotels}
    pipeline = read_pipeline(settings, now)
    if as_json:
        shared = _pipeline_as_json(pipeline, now)
        click.echo(json.dumps([_as_json(each, states[each.enterprise_id], shared, now) for each in hotels], indent=2))
    else:
        _print_table([each for each in hotels if each.is_in_scope], states, now)
        _print_out_of_scope([each for each in hotels if not each.is_in_scope], now)
        _print_pipeline(pipeline, now)
    for problem in pipeline.problems:
        say(problem)
    sys.exit(FAILED if pipeline.problems or {"failing", "stale", "never read"} & set(states.values()) else 0)


def _pipeline_as_json(pipeline: PipelineState, now: datetime) -> dict[str, object]:
    age = _since(pipeline.as_of_utc, now)
    return {
        "problems": [for_terminal(problem) for problem in pipeline.problems],
        "published_utc": _as_text(pipeline.published_utc),
        "as_of_utc": _as_text(pipeline.as_of_utc),
        "age_seconds": None if age is None else round(age.total_seconds()),
        "daemon": pipeline.daemon,
        "daemon_seen_utc": _as_text(pipeline.daemon_seen_utc),
    }


def _as_json(hotel: EnterpriseStatus, state: str, pipeline: dict[str, object], now: datetime) -> dict[str, object]:
    lag = _since(hotel.watermark_utc, now)
    return {
        "partition_key": hotel.partition_key,
        "enterprise_id": hotel.enterprise_id,
        "name": hotel.name,
        "status": state,
        "last_success_utc": _as_text(hotel.last_success_utc),
        "watermark_utc": _as_text(hotel.watermark_utc),
        "lag_seconds": None if lag is None else round(lag.total_seconds()),
        "orders": hotel.orders,
        "rejected_records": hotel.rejected,
        "last_error": hotel.last_error,
        "reason": reason_of(hotel),
        "pipeline": pipeline,
    }


def _print_table(hotels: list[EnterpriseStatus], states: dict[str, str], now: datetime) -> None:
    names = ("hotel", "status", "last success (UTC)", "watermark (UTC)", "lag", "orders", "last error")
    table = new_table(names, ("lag", "orders"))
    for hotel in hotels:
        state = states[hotel.enterprise_id]
        table.add_row(
            hotel.partition_key,
            Text(state, style=_COLOURS[state]),
            _shown(hotel.last_success_utc),
            _shown(hotel.watermark_utc),
            _span(_since(hotel.watermark_utc, now)),
            f"{hotel.orders:,}",
            for_terminal(reason_of(hotel) or ""),
        )
    terminal().print(table)


def _print_out_of_scope(hotels: list[EnterpriseStatus], now: datetime) -> None:
    """Print the hotels that no token can access, with the age of their data."""
    if not hotels:
        return
    numbers = ("orders", "as of (UTC)", "age")
    table = new_table(("out of scope", *numbers), numbers)
    for hotel in hotels:
        age = _span(_since(hotel.watermark_utc, now))
        table.add_row(hotel.partition_key, f"{hotel.orders:,}", _shown(hotel.watermark_utc), age, style="dim")
    click.echo()
    terminal().print(table)


def _print_pipeline(pipeline: PipelineState, now: datetime) -> None:
    snapshot = "nothing is published yet"
    if pipeline.published_utc is not None:
        snapshot = f"published {_span(_since(pipeline.published_utc, now))} ago"
        if pipeline.as_of_utc is not None:
            snapshot += f", with changes until {_span(_since(pipeline.as_of_utc, now))} ago"
    daemon = {
        "alive": "alive",
        "none": "has never run here",
        "replaced": "not running; another program starts the refreshes",
        "dead": f"not running for {_span(_since(pipeline.daemon_seen_utc, now))}",
    }[pipeline.daemon]
    click.echo(f"\nsnapshot: {snapshot}\ndaemon:   {daemon}")


def _since(moment: datetime | None, now: datetime) -> timedelta | None:
    return None if moment is None else max(now - moment, timedelta())


def _span(span: timedelta | None) -> str:
    return "" if span is None else str(timedelta(seconds=round(span.total_seconds())))


def _shown(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def _as_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
