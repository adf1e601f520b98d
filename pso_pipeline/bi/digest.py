"""The digest: the most remarkable changes of the published snapshot, one sentence each, as text, Markdown or JSON.

What is a change, its rank and its sentence are columns of `mart.agg_changes`. Where a digest is sent belongs to the
callers.
"""

import tempfile
from datetime import date, datetime
from pathlib import Path

import duckdb
import msgspec

from pso_pipeline.bi.errors import SnapshotUnreadable
from pso_pipeline.bi.folder import current_snapshot
from pso_pipeline.text import for_markdown, for_terminal
from pso_pipeline.warehouse.session import open_duckdb

CHANGES = """
    SELECT
        changes.enterprise_id, enterprises.partition_key, changes.level, changes.service_id, changes.origin,
        changes.window_days, changes.to_date, changes.kind, changes.orders, changes.compared_orders,
        changes.cancellations, changes.compared_cancellations, changes.expected_cancellations,
        changes.excess_cancellations, changes.excess_low, changes.excess_high, changes.is_beyond_chance,
        changes.sentence
    FROM mart.agg_changes AS changes
    LEFT JOIN mart.dim_enterprises AS enterprises ON enterprises.enterprise_id = changes.enterprise_id
    WHERE changes.rank <= $most
    ORDER BY changes.rank
"""


class Change(msgspec.Struct, frozen=True):
    """One change, with the columns of `mart.agg_changes` that tell it; dates are local to the hotel."""

    enterprise_id: str
    partition_key: str | None
    level: str
    service_id: str | None
    origin: str | None
    window_days: int
    to_date: date
    kind: str
    orders: int
    compared_orders: float
    cancellations: int
    compared_cancellations: float
    expected_cancellations: float | None
    excess_cancellations: float | None
    excess_low: float | None
    excess_high: float | None
    is_beyond_chance: bool
    sentence: str


class Digest(msgspec.Struct, frozen=True):
    """The changes of a snapshot, the most remarkable first; the times are aware and UTC."""

    as_of_utc: datetime | None
    published_utc: datetime
    changes: tuple[Change, ...]

    @property
    def headline(self) -> str:
        """What the digest says, in one sentence."""
        beyond = sum(change.is_beyond_chance for change in self.changes)
        if not self.changes:
            return "There is too little history to say what changed: that takes 5 weeks of orders."
        if not beyond:
            return "Nothing changed beyond chance. The largest differences are:"
        return "What changed:" if beyond == len(self.changes) else "What changed, and the largest other differences:"

    @property
    def as_of(self) -> str:
        """How fresh the figures are."""
        return f"As of {self.as_of_utc:%Y-%m-%d %H:%M} UTC." if self.as_of_utc else "Not every hotel was read yet."

    def as_text(self) -> str:
        """The digest as plain text."""
        lines = (f"{number}. {for_terminal(change.sentence)}" for number, change in enumerate(self.changes, 1))
        return "\n".join([self.headline, *lines, self.as_of])

    def as_markdown(self) -> str:
        """The digest as Markdown; names of hotels and services are escaped."""
        lines = (f"{number}. {for_markdown(change.sentence)}" for number, change in enumerate(self.changes, 1))
        return "\n\n".join([f"**{self.headline}**", "\n".join(lines), f"*{self.as_of}*"])

    def as_json(self) -> str:
        """The digest as JSON, with the figures of each change."""
        return msgspec.json.format(msgspec.json.encode(self)).decode()


def read_digest(bi_dir: Path, most: int = 5) -> Digest:
    """Read the `most` remarkable changes of the published snapshot.

    Raises:
        NothingPublished: No snapshot has been published yet.
        SnapshotUnreadable: The snapshot is damaged, or an older version of the package published it.
    """
    snapshot = current_snapshot(bi_dir)
    with (
        tempfile.TemporaryDirectory(prefix="pso-digest-") as spill,
        open_duckdb(snapshot.database, spill=Path(spill), read_only=True) as connection,
    ):
        try:
            found = connection.execute(CHANGES, {"most": most})
        except duckdb.CatalogException:
            raise SnapshotUnreadable(
                f"{snapshot.database} does not say what changed, because an older version published it: run a refresh"
            ) from None
        names = [name for name, *_ in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return Digest(
        as_of_utc=snapshot.manifest.as_of_utc,
        published_utc=snapshot.manifest.published_utc,
        changes=tuple(Change(**row) for row in rows),
    )
