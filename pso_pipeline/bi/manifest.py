"""`manifest.json`: what a published snapshot holds, for programs that read it and for people who check it.

Holds the record's shape and its reading and writing. Fields may be added, never renamed or removed. Where the file lies
and when it is replaced stand in `folder.py` and `snapshot.py`.
"""

from datetime import datetime

import msgspec

from pso_pipeline.bi.errors import SnapshotUnreadable


class PublishedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its path relative to the manifest, its size in bytes, its SHA-256 in hexadecimal."""

    file: str
    bytes: int
    sha256: str


class PublishedTable(PublishedFile, frozen=True, kw_only=True):
    """One table as a Parquet file, with its number of rows.

    `content_digest` stays the same as long as the table's rows do. It says nothing across versions of this package.
    """

    rows: int
    content_digest: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One publication.

    `as_of_utc` is the oldest `as_of_utc` of the hotels in scope that have one: every change up to it is in their
    figures. It is None before any hotel has been read to its end. `hotels_never_read` counts the hotels in scope that
    have no `as_of_utc`, since at least one of their services has not been read to its end yet. `held_back` gives the
    reason why a check holds the newest figures of a hotel back, by its partition key, or its id where it has none.
    `tables` is keyed by the table's name without its schema. Times are aware and UTC. `content_digest` is that of the
    whole database, comments and definitions included.
    """

    schema_version: int
    as_of_utc: datetime | None
    published_utc: datetime
    database: PublishedFile
    content_digest: str
    tables: dict[str, PublishedTable]
    hotels_never_read: int = 0
    held_back: dict[str, str] = {}

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """Every file of the publication but the manifest."""
        return (self.database, *self.tables.values())


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest as indented JSON, times in ISO 8601 with `Z`."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode_manifest(text: bytes, name: str) -> Manifest:
    """Read a manifest; fields that this version does not know are passed over.

    Raises:
        SnapshotUnreadable: It is not a manifest; `name` is where it came from.
    """
    try:
        return msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise SnapshotUnreadable(f"{name} is not a manifest of this pipeline: {error}") from None
