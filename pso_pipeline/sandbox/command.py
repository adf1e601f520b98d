"""The command that serves a generated world: `pso sandbox`, and `python -m pso_pipeline.sandbox`.

Its options and what it prints belong here. Tests serve worlds with `pso_pipeline_tests.fakes`.
"""

from contextlib import closing
from datetime import UTC, datetime

import click

from pso_pipeline.sandbox.app import Application
from pso_pipeline.sandbox.limits import RateLimit
from pso_pipeline.sandbox.server import Server, address_of, listen
from pso_pipeline.sandbox.world import GeneratedWorld

DEFAULT_PORT = 8765
DEFAULT_ENTERPRISES = 5
DEFAULT_ORDERS = 100_000


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: a free one.")
@click.option("--enterprises", type=click.IntRange(1), default=DEFAULT_ENTERPRISES, show_default=True, help="Hotels.")
@click.option(
    "--orders", type=click.IntRange(0), default=DEFAULT_ORDERS, show_default=True, help="Orders of two years, about."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same world.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day of orders (UTC); the first of the month two years ago unless given.",
)
@click.option("--rate-limit/--no-rate-limit", default=True, show_default=True, help="Answer 429 to too many requests.")
def sandbox(*, port: int, enterprises: int, orders: int, seed: int, since: datetime | None, rate_limit: bool) -> None:
    """Serve a made-up group of hotels on this machine, instead of the Mews Connector API.

    Orders are made, canceled and checked in as time passes, at the pace of their two years of history.
    """
    try:
        listener = listen(port)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on port {port}: {error.strerror}; choose another with --port"
        ) from error
    with closing(listener):
        world = GeneratedWorld(
            seed=seed,
            enterprises=enterprises,
            orders=orders,
            since=None if since is None else since.replace(tzinfo=UTC),
        )
        introduction = _introduction(world, enterprises, address_of(listener))
        application = Application(world, rate_limit=RateLimit() if rate_limit else None)
        Server(application, listener, lambda: click.echo(introduction)).serve_until_stopped()


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
