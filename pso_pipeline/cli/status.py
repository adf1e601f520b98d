"""`pso status`: how fresh every hotel is and what is wrong, as a table for people or JSON for programs."""

import json
import sys
from datetime import UTC, datetime, timedelta

import click
from rich.table import Table
from rich.text import Text

from pso_pipeline.cli.environment import FAILED, load_settings, stop, terminal
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.connection import Warehouse
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.reading import EnterpriseStatus, read_status, state_of

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
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object for each hotel.")
def command(as_json: bool) -> None:  # click passes options by name
    """Print how every hotel stands; status 1 when any is failing or stale."""
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
    if as_json:
        click.echo(json.dumps([_as_json(each, states[each.enterprise_id], now) for each in found], indent=2))
    else:
        _print_table(found, states, now)
    sys.exit(FAILED if {"failing", "stale", "never read"} & set(states.values()) else 0)


def _lag(status: EnterpriseStatus, now: datetime) -> timedelta | None:
    return None if status.watermark_utc is None else max(now - status.watermark_utc, timedelta())


def _as_json(status: EnterpriseStatus, state: str, now: datetime) -> dict[str, object]:
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
            for_terminal(each.last_error or ""),
        )
    terminal().print(table)
