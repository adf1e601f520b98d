"""Hotels to which every refresh adds one order each: the counts of each table show how many refreshes they hold.

Order g of each hotel is numbered g; those with an even number are canceled, the others checked in.
"""

import duckdb

from pso_pipeline.bi.manifest import Manifest
from pso_pipeline_tests.bi.generations import Mixture
from pso_pipeline_tests.fakes.scripted import ScriptedWorld

HOTELS = 3
CREATED = "2026-01-15T12:00:00Z"

TOTALS = """
    SELECT
        (SELECT max(order_number::INTEGER) FROM mart.rpt_orders),
        (SELECT max(order_number::INTEGER) FROM mart.fct_product_service_orders),
        (SELECT count(*) FROM mart.fct_product_service_orders),
        (SELECT count(*) FROM mart.rpt_orders WHERE enterprise_name IS NOT NULL AND service_name IS NOT NULL),
        (SELECT count(DISTINCT order_id) FROM mart.fct_order_state_changes),
        (SELECT sum(orders_created) FROM mart.agg_orders_daily),
        (SELECT sum(orders_at_risk) FROM mart.agg_cancellation_curve WHERE days_since_creation = 0),
        (SELECT count(*) FROM mart.fct_product_service_orders WHERE is_canceled),
        (SELECT sum(canceled_orders) FROM mart.agg_orders_daily),
        (SELECT sum(cancellations) FROM mart.agg_orders_daily)
"""


class Hotels:
    """The hotels, served by a sandbox; `add_orders` adds the next order of each."""

    def __init__(self, world: ScriptedWorld) -> None:
        self.world = world
        self.services = [world.add_service(world.add_enterprise(Name=f"Hotel {number}")) for number in range(HOTELS)]
        self.next = 0
        self.add_orders()

    def add_orders(self) -> None:
        fields = {"State": "Started"} if self.next % 2 else {"State": "Canceled", "CancelledUtc": CREATED}
        now = self.world.clock.now()
        for service in self.services:
            order = self.world.add_order(service, Number=str(self.next), CreatedUtc=CREATED, **fields)
            self.world.change(order, at=now)
        self.next += 1


def read_generation(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the newest order of what a connection sees as schema `mart`; every table has to agree."""
    row = connection.execute(TOTALS).fetchone()
    assert row is not None
    generation = int(row[0])
    expected = (generation, generation, *[HOTELS * (generation + 1)] * 5, *[HOTELS * (generation // 2 + 1)] * 3)
    if row != expected:
        raise Mixture(f"{row} instead of {expected}")
    return generation


def check_manifest(manifest: Manifest, generation: int) -> None:
    rows = manifest.tables["fct_product_service_orders"].rows
    if rows != HOTELS * (generation + 1):
        raise Mixture(f"the manifest says {rows} orders beside generation {generation}")
