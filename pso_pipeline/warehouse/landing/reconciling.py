"""Ending a full resync: orders that the source no longer has are marked, unless too many would vanish at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from pso_pipeline.warehouse.landing.frames import registered, rows_of_records
from pso_pipeline.warehouse.landing.progress import SERVICE_SCHEMA, Revised, record
from pso_pipeline.warehouse.sql import statement


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a full resync of one enterprise found: orders held as present before, and how many it did not meet.

    `is_refused` says that the share was implausible and nothing was marked.
    """

    present: int
    missing: int
    is_refused: bool

    def describe(self) -> str:
        """Say it in a few words."""
        if self.is_refused:
            return (
                f"{self.missing:,} of {self.present:,} orders were not found by the full read, an implausible share: "
                "none was marked missing (PSO_RESYNC_MAX_MISSING_SHARE)"
            )
        if not self.missing:
            return "nothing is missing from the source"
        return f"{self.missing:,} orders newly marked missing from the source"


def reconcile(
    connection: duckdb.DuckDBPyConnection, services: Mapping[str, str], read_before: datetime, max_missing_share: float
) -> dict[str, Reconciled]:
    """Mark what complete resyncs did not meet, in one transaction, and forget what they met.

    `services` maps each completely read service to its enterprise. Only orders that had been read by `read_before`,
    when the resync began, are judged: what another refresh lands while it goes on exists. The share is taken for each
    enterprise over these services: a read that the server cut short would otherwise empty a hotel.
    """
    before = {"read_before": read_before.astimezone(UTC).replace(tzinfo=None)}
    connection.begin()
    revised = [Revised(service, enterprise) for service, enterprise in services.items()]
    with registered(connection, rows_of_records("progress", revised, SERVICE_SCHEMA)):
        found = connection.execute(statement("landing/count_missing.sql"), before).fetchall()
    counts = {service: (present, missing) for service, present, missing in found}
    counts_of: dict[str, list[tuple[int, int]]] = {}
    for service, enterprise in services.items():
        counts_of.setdefault(enterprise, []).append(counts[service])
    outcome = {enterprise: _judge(each, max_missing_share) for enterprise, each in counts_of.items()}
    marked = [each for each in revised if counts[each.service_id][1] and not outcome[each.enterprise_id].is_refused]
    if marked:
        with registered(connection, rows_of_records("progress", marked, SERVICE_SCHEMA)):
            connection.execute(statement("landing/mark_missing.sql"), before)
        record(connection, marked)
    forget_met(connection, services)
    connection.commit()
    return outcome


def forget_met(connection: duckdb.DuckDBPyConnection, services: Collection[str]) -> None:
    """Forget which orders a full resync of the services met; the caller commits."""
    connection.execute(
        "DELETE FROM mews.full_read_ids WHERE service_id IN (SELECT unnest(?::VARCHAR[]))", [list(services)]
    )


def _judge(counts: Collection[tuple[int, int]], max_missing_share: float) -> Reconciled:
    present = sum(count for count, _ in counts)
    missing = sum(count for _, count in counts)
    return Reconciled(present, missing, is_refused=missing > max_missing_share * present)
