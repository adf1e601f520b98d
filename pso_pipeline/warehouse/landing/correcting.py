"""Correcting times in the future, which a wrong clock left behind: later changes would never be read.

Called with the server's time at the beginning of a refresh; whatever is later than that is moved back to a time up to
which everything has surely landed.
"""

from datetime import datetime, timedelta

import duckdb

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS, Endpoint
from pso_pipeline.warehouse.landing.scope import utc_without_zone
from pso_pipeline.warehouse.landing.statements import sql
from pso_pipeline.warehouse.sql import first_row
from pso_pipeline.warehouse.writing import Part, writes

TOLERANCE = timedelta(minutes=5)
"""How far ahead of the server's time a stored time may lie: the clocks of a server's machines differ a little."""

BELIEVED = timedelta(days=1)
"""How far ahead a clock can be that is believed: a watermark within it is moved back by as much."""


@writes(Part.LANDED)
def correct_progress(
    connection: duckdb.DuckDBPyConnection, now: datetime, endpoint: Endpoint = PRODUCT_SERVICE_ORDERS
) -> list[str]:
    """Move watermarks, times of full reads and stamps that lie in the future back, in one transaction.

    `now` is the server's time, aware. A watermark moves back to the latest update of the scope's records, or a day,
    whichever is later; without either the scope is read from its beginning. Returns a line for each kind of time that
    was wrong.
    """
    latest = {"latest": utc_without_zone(now + TOLERANCE)}
    times = {**latest, "now": utc_without_zone(now)}
    notices = []
    wrong = connection.execute(sql("progress", "correct_watermarks", endpoint), {**times, "believed": BELIEVED})
    if count := wrong.fetchall()[0][0]:
        notices.append(
            f"{count:,} {endpoint.scope}(s) had a watermark in the future: they are read again from an earlier time"
        )
    connection.execute(sql("progress", "correct_full_reads", endpoint), latest)
    connection.execute(sql("versions", "find_future_stamps", endpoint), times)
    if first_row(connection, "SELECT 1 FROM future_stamps"):
        for name in (
            "correct_fetched",
            "correct_superseded_fetched",
            "correct_superseded_observed",
            "change_corrected",
        ):
            connection.execute(sql("versions", name, endpoint))
        notices.append(
            f"{endpoint.record_name}s had been read at a time in the future: that is corrected, and their figures "
            "are recomputed"
        )
    return notices


@writes(Part.LANDED)
def correct_listings(connection: duckdb.DuckDBPyConnection, now: datetime) -> list[str]:
    """Forget when services were listed where that lies in the future: their hotels are listed whole.

    `now` is the server's time, aware. Returns a line where there were any.
    """
    times = {"latest": utc_without_zone(now + TOLERANCE), "now": utc_without_zone(now)}
    latest = {"latest": times["latest"]}
    forgotten = connection.execute(sql("listings", "correct_listings"), latest).fetchall()[0][0]
    for name in ("correct_tokens", "correct_unlisted_enterprises", "correct_unlisted_services"):
        connection.execute(sql("listings", name), times)
    return (
        [f"the services of {forgotten:,} hotel(s) were listed at a time in the future: they are listed whole"]
        if forgotten
        else []
    )
