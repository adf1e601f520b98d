"""Ending a full resync: records that the source no longer has are marked, unless too many would vanish at once.

A record is marked only when two full reads in a row did not find it: one answer that lacks it proves little.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.warehouse.landing.frames import registered, rows_of_records
from pso_pipeline.warehouse.landing.progress import PROGRESS_SCHEMA, Changed, record
from pso_pipeline.warehouse.landing.statements import sql
from pso_pipeline.warehouse.writing import Part, writes

PLAUSIBLE_MISSING = 3
"""Records of a hotel that may be missing whatever share of its records that is, as long as some are left."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a full resync of one enterprise found: records held as present before, and how many it did not find.

    `marked` counts those that are marked missing now, since the full read before did not find them either. `is_refused`
    says that the share was implausible and nothing was marked.
    """

    present: int
    missing: int
    marked: int
    is_refused: bool

    def describe(self, records: str = "orders") -> str:
        """Say it in a few words; `records` is what the records are called."""
        if self.is_refused:
            return (
                f"{self.missing:,} of {self.present:,} {records} were not found by the full read, an implausible "
                "share: none was marked missing (PSO_RESYNC_MAX_MISSING_SHARE)"
            )
        if not self.missing:
            return "nothing is missing from the source"
        waiting = self.missing - self.marked
        marked = f"{self.marked:,} {records} newly marked missing from the source"
        if not waiting:
            return marked
        unfound = (
            f"{waiting:,} {records} were not found, and are marked missing if the next full read does not find them"
        )
        return f"{marked}, {unfound}" if self.marked else unfound


@dataclass(frozen=True, slots=True)
class _Counts:
    """Records of a scope, or of several: held as present, not found, and not found by the full read before either."""

    present: int = 0
    missing: int = 0
    again: int = 0

    def __add__(self, other: "_Counts") -> "_Counts":
        return _Counts(self.present + other.present, self.missing + other.missing, self.again + other.again)

    def are_implausible(self, max_missing_share: float) -> bool:
        """Whether this number of missing records is taken for a fault of the source; a share of 1 allows any."""
        if max_missing_share >= 1 or not self.missing:
            return False
        plausible = max(PLAUSIBLE_MISSING, max_missing_share * self.present)
        return self.missing == self.present or self.missing > plausible


@writes(Part.LANDED)
def reconcile(
    connection: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    scopes: Mapping[str, str],
    read_before: datetime,
    max_missing_share: float,
) -> dict[str, Reconciled]:
    """Mark what two complete resyncs in a row did not find, in one transaction, and forget what this one found.

    `scopes` maps each completely read scope to its enterprise. Only records that had been read by `read_before`,
    when the resync began, are judged: what another refresh lands meanwhile exists. The share is taken for each
    enterprise over these scopes, and over all of them: a read that the server cut short would otherwise empty hotels.
    """
    before = {"read_before": read_before.astimezone(UTC).replace(tzinfo=None)}
    judged = [Changed(scope, enterprise) for scope, enterprise in scopes.items()]
    with registered(connection, rows_of_records("progress", judged, PROGRESS_SCHEMA)):
        found = connection.execute(sql("missing", "count", endpoint), before).fetchall()
        counts = {scope: _Counts(*numbers) for scope, *numbers in found}
        outcome = _judge(scopes, counts, max_missing_share)
        marked = [each for each in judged if counts[each.scope_id].again and outcome[each.enterprise_id].marked]
        if marked:
            with registered(connection, rows_of_records("marked", marked, PROGRESS_SCHEMA)):
                connection.execute(sql("missing", "mark", endpoint), before)
        connection.execute(sql("missing", "forget_candidates", endpoint))
        connection.execute(sql("missing", "keep_candidates", endpoint), before)
    record(connection, endpoint, marked)
    forget_seen(connection, endpoint, scopes)
    return outcome


def _judge(scopes: Mapping[str, str], counts: Mapping[str, _Counts], max_missing_share: float) -> dict[str, Reconciled]:
    of_hotel: dict[str, _Counts] = {}
    for scope, enterprise in scopes.items():
        of_hotel[enterprise] = of_hotel.get(enterprise, _Counts()) + counts[scope]
    refused = {hotel for hotel, each in of_hotel.items() if each.are_implausible(max_missing_share)}
    in_all = sum((each for hotel, each in of_hotel.items() if hotel not in refused), _Counts())
    if len(of_hotel) > 1 and in_all.are_implausible(max_missing_share):
        refused |= {hotel for hotel, each in of_hotel.items() if each.missing}
    return {
        hotel: Reconciled(each.present, each.missing, 0 if hotel in refused else each.again, hotel in refused)
        for hotel, each in of_hotel.items()
    }


def forget_seen(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, scopes: Collection[str]) -> None:
    """Forget which records a full resync of the scopes found, and that it has read them; the caller commits."""
    for name in ("forget_seen", "end_resync"):
        connection.execute(sql("missing", name, endpoint), {"ids": list(scopes)})
