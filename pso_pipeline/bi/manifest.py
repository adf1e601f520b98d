"""`manifest.json`: the content of a published snapshot, for programs that read it and for people who check it.

Holds the record's shape and how it is read and written. Fields may be added, never renamed or removed. Where the file
is and when it is replaced belong to `folder.py` and `snapshot.py`.
"""

from datetime import datetime

import msgspec

from pso_pipeline.bi.errors import SnapshotUnreadable


class PublishedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its path relative to the manifest, its size in bytes, its SHA-256 in hexadecimal."""

    file: str
    bytes: int
    sha256: str


class ParquetFile(PublishedFile, frozen=True, kw_only=True):
    """One Parquet file, with its number of rows.

    Two snapshots that have the same version of a file have the same rows in it. An empty version is that of no other.
    """

    rows: int
    version: str = ""


class PublishedTable(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One table: its number of rows and its Parquet files.

    `file`, `bytes` and `sha256` repeat the one file of a small table; a large table, which has files for each month,
    does not have them. A manifest from before there were months has no `files`.
    """

    rows: int
    files: tuple[ParquetFile, ...] = ()
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One publication.

    `as_of_utc` is the oldest `as_of_utc` of the hotels in scope that have one: every change up to it is in their
    figures. It is None before any hotel has been read completely. `hotels_never_read` counts the hotels in scope that
    have no `as_of_utc`, because at least one of their services has not been read completely yet. `held_back` gives the
    reason why a check holds back the newest figures of a hotel, by its partition key, or its id where it has none.
    `tables` is keyed by the table's name without its schema. Times are aware and UTC.

    `semantic` lists the files of the semantic models; a manifest from before there were any has none.

    `held_back_since` names the snapshot that the figures of a hotel that is held back come from, by the hotel's id.
    """

    schema_version: int
    as_of_utc: datetime | None
    published_utc: datetime
    database: PublishedFile
    tables: dict[str, PublishedTable]
    hotels_never_read: int = 0
    held_back: dict[str, str] = {}
    held_back_since: dict[str, str] = {}
    semantic: tuple[PublishedFile, ...] = ()

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """Every file of the publication except the manifest."""
        return (self.database, *(file for table in self.tables.values() for file in table.files), *self.semantic)

    @property
    def versions(self) -> dict[str, str]:
        """The version of each Parquet file, by its path."""
        return {file.file: file.version for table in self.tables.values() for file in table.files}


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest as indented JSON, times in ISO 8601 with `Z`."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode_manifest(text: bytes, name: str) -> Manifest:
    """Read a manifest and ignore the fields that this version does not know.

    Raises:
        SnapshotUnreadable: It is not a manifest; `name` is where it came from.
    """
    try:
        return msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise SnapshotUnreadable(f"{name} is not a manifest of this pipeline: {error}") from None
