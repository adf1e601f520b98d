"""A group of hotels that gets new orders often: as many as a large group, kept for a short history.

The pace of the sandbox is that of its history, so a world that changes several times a minute is one with many orders
a year. A late beginning keeps the number of its orders small.
"""

from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.world import GeneratedWorld

MINUTES_OF_TWO_YEARS = 730.5 * 1440


def busy_world(hotels: int, orders: int, orders_a_minute: float, clock: Clock) -> GeneratedWorld:
    """Make a world with about `orders` orders now and a number of new ones in each minute from now on."""
    return GeneratedWorld(
        enterprises=hotels,
        orders=round(orders_a_minute * MINUTES_OF_TWO_YEARS),
        since=clock.now() - round(60 * orders / orders_a_minute),
        clock=clock,
    )
