"""The file of a table whose rows belong to months: those that changed are written, the pages of the others are copied.

Holds how it is known that a month has not changed: the file notes with which digest each of its months was written, and
in how many row groups. What a month is made of and how it is written stand in `parquet.py`.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pso_pipeline.bi.joining import join_rows

NOTE = b"pso_pipeline.months"


class _Month(msgspec.Struct, frozen=True):
    month: date
    digest: str
    row_groups: int


def write_months(
    path: Path, digests: Mapping[date, str], write_month: Callable[[date, Path], object], before: Path | None
) -> int:
    """Write the file of a table, one month after the other; return its number of rows.

    `digests` has an entry for each month, equal to that of the file `before` where the rows are the same, and
    `write_month` writes one into a file of its own. Where `before` cannot be read, or was not written here, all are
    written.

    Raises:
        NotJoinable: There are no months, or one was written with other columns.
        OSError: A file cannot be read or written.
    """
    kept = dict(_months_of(before)) if before else {}
    months, parts = [], []
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for month, digest in sorted(digests.items()):
            part = kept.get((month, digest))
            if part is None:
                file = Path(folder, f"{month}.parquet")
                write_month(month, file)
                part = (file, slice(0, pq.read_metadata(file).num_row_groups))
            parts.append(part)
            months.append(_Month(month, digest, part[1].stop - part[1].start))
        return join_rows(parts, path, {NOTE.decode(): msgspec.json.encode(months).decode()})


def _months_of(path: Path) -> Iterator[tuple[tuple[date, str], tuple[Path, slice]]]:
    """Find the part of a file that each month is, by the month and its digest; nothing where it does not tell."""
    try:
        footer = pq.read_metadata(path)
        months = msgspec.json.decode((footer.metadata or {})[NOTE], type=list[_Month])
    except (OSError, pa.ArrowException, KeyError, msgspec.DecodeError):
        return
    if sum(each.row_groups for each in months) != footer.num_row_groups:
        return
    first = 0
    for each in months:
        yield (each.month, each.digest), (path, slice(first, first := first + each.row_groups))
