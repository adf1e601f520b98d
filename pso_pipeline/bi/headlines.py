"""The headline figures of each hotel, read from the published snapshot for messages and the terminal.

Rates are those of `metrics.yml`. Pages of figures belong to the report.
"""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pso_pipeline.bi.folder import snapshot_path
from pso_pipeline.bi.rates import load_metrics, rate_sql
from pso_pipeline.warehouse.session import open_duckdb


@dataclass(frozen=True, slots=True)
class HotelHeadline:
    """One hotel: its orders, those canceled, and two rates from 0 to 1, None where no order is old enough or resolved.

    `as_of_utc` is aware: every change up to it is in the figures.
    """

    name: str
    partition_key: str
    as_of_utc: datetime | None
    orders: int
    canceled_orders: int
    cancellation_rate_30d: float | None
    served_of_resolved: float | None


def hotel_headlines(bi_dir: Path) -> list[HotelHeadline]:
    """Read the headline figures of every hotel in scope, by name.

    Raises:
        NothingPublished: No snapshot has been published yet.
    """
    metrics = load_metrics()
    query = f"""
        SELECT
            hotel.enterprise_name, hotel.partition_key, hotel.as_of_utc, coalesce(sum(daily.orders_created), 0),
            coalesce(sum(daily.canceled_orders), 0),
            {rate_sql(metrics.rate("cancellation_rate_30d"))}, {rate_sql(metrics.rate("check_in_rate_resolved"))}
        FROM mart.dim_enterprises AS hotel
        LEFT JOIN mart.agg_orders_daily AS daily ON daily.enterprise_id = hotel.enterprise_id
        WHERE hotel.is_in_scope
        GROUP BY hotel.enterprise_name, hotel.partition_key, hotel.as_of_utc
        ORDER BY hotel.enterprise_name, hotel.partition_key
    """  # noqa: S608  # an expression cannot be bound; these are in metrics.yml, which ships with the package
    database = snapshot_path(bi_dir)
    with (
        tempfile.TemporaryDirectory(prefix="pso-headlines-") as spill,
        open_duckdb(database, spill=Path(spill), read_only=True) as connection,
    ):
        rows = connection.execute(query).fetchall()
    return [
        HotelHeadline(name or key, key, as_of and as_of.replace(tzinfo=UTC), orders, canceled, *rates)
        for name, key, as_of, orders, canceled, *rates in rows
    ]
