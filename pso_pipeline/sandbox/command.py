"""The command that serves a generated world: `pso sandbox`, and `python -m pso_pipeline.sandbox`.

Its options and what it prints belong here. Tests serve worlds with `server.serve`.
"""

from contextlib import closing
from datetime import UTC, datetime

import click

from pso_pipeline.sandbox.app import Application
from pso_pipeline.sandbox.generated.offers import CATALOGUE
from pso_pipeline.sandbox.generated.world import GeneratedWorld
from pso_pipeline.sandbox.limits import REQUESTS_PER_WINDOW, WINDOW_SECONDS, RateLimit
from pso_pipeline.sandbox.server import Server, address_of, listen
from pso_pipeline.sandbox.world import OrderBy

DEFAULT_PORT = 8765
DEFAULT_ENTERPRISES = 5
DEFAULT_ORDERS = 100_000
DEFAULT_LIVE_RATE = 6.0

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: a free one.")
@click.option("--enterprises", type=click.IntRange(1), default=DEFAULT_ENTERPRISES, show_default=True, help="Hotels.")
@click.option(
    "--orders", type=click.IntRange(0), default=DEFAULT_ORDERS, show_default=True, help="Orders of two years, about."
)
@click.option(
    "--services",
    type=click.IntRange(1, len(CATALOGUE)),
    help="Services that each hotel sells; some of a catalogue, more or fewer, unless given.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same world.")
@click.option("--since", type=_DAY, help="First month of orders; two years ago unless given.")
@click.option(
    "--live-rate",
    type=click.FloatRange(0),
    default=DEFAULT_LIVE_RATE,
    show_default=True,
    help="Changes a minute in all, besides the orders' usual lives.",
)
@click.option("--live-since", type=_DAY, help="First day of these changes (UTC); today unless given.")
@click.option(
    "--order-by",
    type=click.Choice([each.value for each in OrderBy]),
    default=OrderBy.UPDATED.value,
    show_default=True,
    help="The time that pages follow.",
)
@click.option("--rate-limit/--no-rate-limit", default=True, show_default=True, help="Answer 429 to too many requests.")
@click.option("--requests-per-window", type=click.IntRange(1), default=REQUESTS_PER_WINDOW, show_default=True)
@click.option("--window-seconds", type=click.FloatRange(0, min_open=True), default=WINDOW_SECONDS, show_default=True)
def sandbox(
    *,
    port: int,
    enterprises: int,
    orders: int,
    services: int | None,
    seed: int,
    since: datetime | None,
    live_rate: float,
    live_since: datetime | None,
    order_by: str,
    rate_limit: bool,
    requests_per_window: int,
    window_seconds: float,
) -> None:
    """Serve a made-up group of hotels on this machine, in place of the Mews Connector API."""
    try:
        listener = listen(port)
    except OSError as error:
        raise click.ClickException(f"cannot listen on port {port}: {error.strerror}") from error
    with closing(listener):
        world = GeneratedWorld(
            seed=seed,
            enterprises=enterprises,
            orders=orders,
            services=services,
            since=_utc(since),
            live_rate=live_rate,
            live_since=_utc(live_since),
            order_by=order_by,
        )
        limit = RateLimit(requests_per_window, window_seconds) if rate_limit else None
        introduction = _introduction(world, enterprises, address_of(listener))
        application = Application(world, rate_limit=limit)
        Server(application, listener, lambda: click.echo(introduction)).serve_until_stopped()


def _utc(day: datetime | None) -> datetime | None:
    return None if day is None else day.replace(tzinfo=UTC)


def _introduction(world: GeneratedWorld, enterprises: int, address: str) -> str:
    return "\n".join(
        [
            f"Sandbox API ready at {address}: {enterprises:,} hotels, {world.count_orders():,} orders. Ctrl-C ends it.",
            "To connect (sandbox tokens, they open nothing else):",
            f"MEWS_PLATFORM_ADDRESS={address}",
            f"MEWS_CLIENT_TOKEN={world.client_token}",
            f"MEWS_ACCESS_TOKENS={world.access_token}",
        ]
    )
