"""The digest: the most remarkable changes of the published snapshot, one sentence each, as text, Markdown or JSON.

What is a change, its rank and its sentence are columns of `mart.agg_changes`. Where a digest is sent belongs to the
callers.
"""

import tempfile
from datetime import datetime
from pathlib import Path

import duckdb
import msgspec

from pso_pipeline.bi.changes import Change, headline_of, read_changes
from pso_pipeline.bi.errors import SnapshotUnreadable
from pso_pipeline.bi.folder import current_snapshot
from pso_pipeline.text import for_markdown, for_terminal
from pso_pipeline.warehouse.session import open_duckdb


class Digest(msgspec.Struct, frozen=True):
    """The changes of a snapshot, the most remarkable first; the times are aware and UTC."""

    as_of_utc: datetime | None
    published_utc: datetime
    changes: tuple[Change, ...]

    @property
    def headline(self) -> str:
        """What the digest says, in one sentence."""
        return headline_of([change.is_beyond_chance for change in self.changes])

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
            changes = read_changes(connection, most)
        except duckdb.CatalogException:
            raise SnapshotUnreadable(
                f"{snapshot.database} does not say what changed, because an older version published it: run a refresh"
            ) from None
    return Digest(
        as_of_utc=snapshot.manifest.as_of_utc,
        published_utc=snapshot.manifest.published_utc,
        changes=changes,
    )
