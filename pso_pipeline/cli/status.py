"""`pso status` shows how fresh each hotel and the snapshot are: as a table, as JSON, or for Prometheus.

Add a column here. The state of a hotel belongs to `warehouse/reading.py`, that of the pipeline to `pipeline.py`, and
the metrics for Prometheus to `prometheus.py`.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import click
from rich.text import Text

from pso_pipeline.cli.environment import FAILED, MISCONFIGURED, load_local_settings, new_table, say, stop, terminal
from pso_pipeline.cli.pipeline import PipelineState, read_pipeline
from pso_pipeline.cli.prometheus import exposition
from pso_pipeline.ingestion.causes import by_cause
from pso_pipeline.ingestion.sync import describe_troubles
from pso_pipeline.settings import LocalSettings
from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.reading import EnterpriseStatus, read_status, read_troubles, reason_of, state_of
from pso_pipeline.warehouse.session import Warehouse

LONGEST_WAIT_SECONDS = 60.0
"""How long the command waits for a writer to release the warehouse."""

WATCH_SECONDS = 5.0

_COLOURS = {
    "failing": "red",
    "never read": "yellow",
    "stale": "yellow",
    "no services listed": "yellow",
    "fresh": "green",
    "out of scope": "dim",
}
"""By state, the most urgent first."""

_TROUBLE = {"failing", "never read", "stale"}


@dataclass(frozen=True, slots=True)
class _State:
    """Everything that one call shows, as of `now`; `states` has the state of each hotel by its id.

    `troubles` are lines about what could not be read beside orders.
    """

    hotels: list[EnterpriseStatus]
    states: dict[str, str]
    pipeline: PipelineState
    now: datetime
    troubles: tuple[str, ...]

    @property
    def in_scope(self) -> list[EnterpriseStatus]:
        """The hotels in scope, those in trouble first."""
        order = list(_COLOURS)
        return sorted(
            (each for each in self.hotels if each.is_in_scope),
            key=lambda each: (order.index(self.states[each.enterprise_id]), each.partition_key),
        )

    @property
    def exit_status(self) -> int:
        return FAILED if self.pipeline.problems or _TROUBLE & set(self.states.values()) else 0


@click.command("status")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON: one object for each hotel, each with the state of the pipeline.",
)
@click.option("--prometheus", is_flag=True, help="Print metrics in the text format of Prometheus.")
@click.option("--failing", is_flag=True, help="Show only the hotels that are failing, stale or were never read.")
@click.option("--watch", is_flag=True, help=f"Show it again every {WATCH_SECONDS:.0f} seconds, until Ctrl-C.")
def command(as_json: bool, prometheus: bool, failing: bool, watch: bool) -> None:  # click passes options by name
    """Show each hotel, the snapshot and the daemon; the status is 1 if anything is failing or stale."""
    if as_json + prometheus + watch > 1:
        stop("choose one of --json, --prometheus and --watch", MISCONFIGURED)
    settings = load_local_settings()
    if watch:
        _watch(settings, failing=failing)
        return
    state = _read(settings)
    if as_json:
        shared = _pipeline_as_json(state)
        shown = [each for each in state.hotels if not failing or state.states[each.enterprise_id] in _TROUBLE]
        found = [_as_json(each, state.states[each.enterprise_id], shared, state.now) for each in shown]
        click.echo(json.dumps(found, indent=2))
    elif prometheus:
        click.echo(exposition(settings, state.hotels, state.states, state.pipeline, state.now), nl=False)
    else:
        _print(state, failing=failing)
    for problem in state.pipeline.problems:
        say(problem)
    sys.exit(state.exit_status)


def _read(settings: LocalSettings) -> _State:
    """Read everything, or end the command with status 1."""
    warehouse = Warehouse.of(settings, wait_seconds=LONGEST_WAIT_SECONDS)
    if not warehouse.exists:
        stop(f"{warehouse.shown_location} contains no orders yet: run `pso refresh`", FAILED)
    try:
        with warehouse.open() as connection:
            hotels, lost = read_status(connection), read_troubles(connection)
    except WarehouseError as error:
        stop(str(error), FAILED)
    now = datetime.now(UTC)
    stale_after = timedelta(hours=settings.pso_stale_after_hours)
    states = {each.enterprise_id: state_of(each, now, stale_after) for each in hotels}
    failing = {each.partition_key for each in hotels if each.last_error}
    troubles = describe_troubles(row for row in lost if row[1] not in failing)
    return _State(hotels, states, read_pipeline(settings, now), now, troubles)


def _watch(settings: LocalSettings, *, failing: bool) -> None:
    """Print the state again and again, until Ctrl-C."""
    try:
        while True:
            state = _read(settings)
            click.clear()
            _print(state, failing=failing)
            for problem in state.pipeline.problems:
                say(problem)
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        click.echo()


def _print(state: _State, *, failing: bool) -> None:
    counts = Counter(state.states[each.enterprise_id] for each in state.in_scope)
    orders = sum(each.orders for each in state.in_scope)
    named = ", ".join(f"{counts[name]:,} {name}" for name in _COLOURS if counts[name])
    hotels = "1 hotel" if len(state.in_scope) == 1 else f"{len(state.in_scope):,} hotels"
    terminal().print(Text(f"{hotels}: {named or 'none'}; {orders:,} orders"))
    shown = [each for each in state.in_scope if not failing or state.states[each.enterprise_id] in _TROUBLE]
    if shown:
        click.echo()
        _print_table(shown, state)
    _print_reasons(shown)
    for line in state.troubles:
        terminal().print(Text(for_terminal(line)))
    if not failing:
        _print_out_of_scope([each for each in state.hotels if not each.is_in_scope], state.now)
    _print_pipeline(state.pipeline, state.now)


def _pipeline_as_json(state: _State) -> dict[str, object]:
    pipeline, now = state.pipeline, state.now
    age = _since(pipeline.as_of_utc, now)
    return {
        "not_read": [for_terminal(line) for line in state.troubles],
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


def _print_table(hotels: Sequence[EnterpriseStatus], state: _State) -> None:
    table = new_table(("hotel", "status", "lag", "orders"), ("lag", "orders"))
    for column in table.columns[1:]:
        column.no_wrap = True
    for hotel in hotels:
        name = state.states[hotel.enterprise_id]
        table.add_row(
            hotel.partition_key,
            Text(name, style=_COLOURS[name]),
            _span(_since(hotel.watermark_utc, state.now)),
            f"{hotel.orders:,}",
        )
    terminal().print(table)


def _print_reasons(hotels: Sequence[EnterpriseStatus]) -> None:
    """Print why hotels are not up to date, each reason once."""
    reasons = [(each.partition_key, reason) for each in hotels if (reason := reason_of(each)) is not None]
    if reasons:
        click.echo()
    for group in by_cause(reasons):
        terminal().print(Text(for_terminal(group.describe())))


def _print_out_of_scope(hotels: list[EnterpriseStatus], now: datetime) -> None:
    """Print the hotels that no token can access, with the age of their data."""
    if not hotels:
        return
    table = new_table(("out of scope", "age", "orders"), ("age", "orders"))
    for hotel in hotels:
        table.add_row(hotel.partition_key, _span(_since(hotel.watermark_utc, now)), f"{hotel.orders:,}", style="dim")
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
    """Write a span in its largest unit, such as `42 s`, `12 min`, `3 h` or `5 d`."""
    if span is None:
        return ""
    seconds = span.total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:,.0f} {unit}"
    return f"{seconds:.0f} s"


def _as_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
