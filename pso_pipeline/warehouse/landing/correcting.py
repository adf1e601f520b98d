"""Correcting times in the future, which a wrong clock left behind: they would have later changes passed over for good.

Called with the server's time at the beginning of a refresh; whatever is later than that is put back to a time up to
which everything has surely landed.
"""

from datetime import datetime, timedelta

import duckdb

from pso_pipeline.warehouse.landing.scope import utc_without_zone
from pso_pipeline.warehouse.sql import statement, transaction

TOLERANCE = timedelta(minutes=5)
"""How far ahead of the server's time a stored time may lie: the clocks of a server's machines differ a little."""

BELIEVED = timedelta(days=1)
"""How far ahead a clock can be that is believed: a watermark within it is put back by as much."""


def correct_progress(connection: duckdb.DuckDBPyConnection, now: datetime) -> list[str]:
    """Put watermarks, times of full reads and stamps that lie in the future back, in one transaction.

    `now` is the server's time, aware. A watermark goes back to the latest update of the service's orders, or a day,
    whichever is later; without either the service is read from its beginning. Returns a line for each kind of time that
    was wrong.
    """
    times = {"latest": utc_without_zone(now + TOLERANCE)}
    notices = []
    with transaction(connection):
        affected = _changed(connection, "correct_watermarks", **times, now=utc_without_zone(now), believed=BELIEVED)
        if affected:
            notices.append(
                f"{affected:,} service(s) had a watermark in the future: they are read again from an earlier time"
            )
        connection.execute(statement("landing/correct_full_reads.sql"), times)
        connection.execute(statement("landing/future_stamps.sql"), {**times, "now": utc_without_zone(now)})
        (stamps,) = connection.execute("SELECT count(*) FROM future_stamps").fetchone() or (0,)
        if stamps:
            for name in ("correct_orders", "correct_versions", "correct_observed", "raise_revision_of_corrected"):
                connection.execute(statement(f"landing/{name}.sql"))
            notices.append(
                "orders had been read at a time in the future: that is corrected, and their figures are recomputed"
            )
    return notices


def correct_listings(connection: duckdb.DuckDBPyConnection, now: datetime) -> list[str]:
    """Forget when services were listed where that lies in the future: their hotels are listed whole.

    `now` is the server's time, aware. Returns a line where there were any.
    """
    times = {"latest": utc_without_zone(now + TOLERANCE), "now": utc_without_zone(now)}
    with transaction(connection):
        forgotten = _changed(connection, "correct_listings", latest=times["latest"])
        for name in ("correct_tokens", "correct_unlisted_enterprises", "correct_unlisted_services"):
            connection.execute(statement(f"landing/{name}.sql"), times)
    return (
        [f"the services of {forgotten:,} hotel(s) were listed at a time in the future: they are listed whole"]
        if forgotten
        else []
    )


def _changed(connection: duckdb.DuckDBPyConnection, name: str, **parameters: object) -> int:
    row = connection.execute(statement(f"landing/{name}.sql"), parameters).fetchone()
    return int(row[0]) if row else 0
