"""Parquet files put together from others, columns side by side or row groups one after the other, by copying pages.

Nothing is decoded, so a table costs no more than what is new of it. Libraries for Python write only what they
encode themselves; so the footer, which tells where each column lies, is read and written here by Thrift, as the format
defines it in `footer.thrift`. Which tables are put together stands in `parquet.py`.
"""

import contextlib
import functools
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from io import FileIO, StringIO
from pathlib import Path
from typing import Any

import thriftpy2
from thriftpy2.protocol.compact import TCompactProtocol
from thriftpy2.transport import TMemoryBuffer

from pso_pipeline.bi.copying import copy_range, write_all

MAGIC = b"PAR1"
_END = struct.Struct("<I4s")


class NotJoinable(Exception):
    """Files do not have the same rows in each row group, or the same columns, or one of them is no Parquet file."""


def join_columns(left: Path, right: Path, target: Path) -> int:
    """Write a Parquet file with the columns of `left` and, after them, those of `right`; return its number of rows.

    Rows go together by their places: both files have the same number of row groups, each with as many rows as the
    other's. Column chunks keep their statistics and Bloom filters; page indexes are left out.

    Raises:
        NotJoinable: The files do not fit each other, or are not Parquet.
        OSError: A file cannot be read or written.
    """
    with (
        left.open("rb", buffering=0) as left_file,
        right.open("rb", buffering=0) as right_file,
        target.open("xb", buffering=0) as joined,
    ):
        sources = (left_file, right_file)
        footer, other = (_read_footer(source) for source in sources)
        if _rows_of_groups(footer) != _rows_of_groups(other):
            raise NotJoinable(f"{left} and {right} do not have the same rows in each row group")
        if not (footer.column_orders and other.column_orders):
            raise NotJoinable(f"{left} or {right} does not say how its values are ordered")
        write_all(joined, MAGIC)
        chunks = [
            (group.columns, more.columns) for group, more in zip(footer.row_groups, other.row_groups, strict=True)
        ]
        for group, more, columns in zip(footer.row_groups, other.row_groups, chunks, strict=True):
            group.file_offset = joined.tell()
            for source, of_source in zip(sources, columns, strict=True):
                _copy_pages(source, of_source, joined)
            group.columns = [*group.columns, *more.columns]
            group.total_byte_size += more.total_byte_size
            group.total_compressed_size = sum(each.meta_data.total_compressed_size for each in group.columns)
        for columns in chunks:
            for source, of_source in zip(sources, columns, strict=True):
                _copy_bloom_filters(source, of_source, joined)
        root, *elements = other.schema
        footer.schema[0].num_children += root.num_children
        footer.schema += elements
        footer.column_orders += other.column_orders
        _write_footer(footer, joined)
    return int(footer.num_rows)


def join_rows(parts: Sequence[tuple[Path, slice]], target: Path, notes: Mapping[str, str]) -> int:
    """Write a Parquet file with the row groups of others, one after the other; return its number of rows.

    A part is a file and those of its row groups that are taken. `notes` is what the new file says of itself, by key,
    in place of what the others say. Column chunks keep their statistics and Bloom filters; page indexes are left out.

    Raises:
        NotJoinable: There is no part, the columns of one are not those of the others, or one is not Parquet.
        OSError: A file cannot be read or written.
    """
    with contextlib.ExitStack() as opened:
        sources = {path: opened.enter_context(path.open("rb", buffering=0)) for path, _ in parts}
        footers = {path: _read_footer(source) for path, source in sources.items()}
        joined = opened.enter_context(target.open("xb", buffering=0))
        if not footers:
            raise NotJoinable("there is nothing to join")
        footer, *others = footers.values()
        if any(_encode_columns(other) != _encode_columns(footer) for other in others):
            raise NotJoinable(f"the parts of {target} do not have the same columns")
        write_all(joined, MAGIC)
        taken = [(sources[path], group) for path, chosen in parts for group in footers[path].row_groups[chosen]]
        for place, (source, group) in enumerate(taken):
            group.file_offset, group.ordinal = joined.tell(), place
            _copy_pages(source, group.columns, joined)
        for source, group in taken:
            _copy_bloom_filters(source, group.columns, joined)
        footer.row_groups = [group for _, group in taken]
        footer.num_rows = sum(_rows_of_groups(footer))
        footer.key_value_metadata = [_definition().KeyValue(key=key, value=value) for key, value in notes.items()]
        _write_footer(footer, joined)
    return int(footer.num_rows)


def _copy_pages(source: FileIO, chunks: Iterable[Any], target: FileIO) -> None:
    """Copy the pages of column chunks and let their metadata tell where they now lie."""
    for chunk in chunks:
        column = chunk.meta_data
        first = column.data_page_offset if column.dictionary_page_offset is None else column.dictionary_page_offset
        moved = target.tell() - first
        copy_range(source, first, column.total_compressed_size, target)
        column.data_page_offset += moved
        if column.dictionary_page_offset is not None:
            column.dictionary_page_offset += moved
        chunk.offset_index_offset = chunk.offset_index_length = None
        chunk.column_index_offset = chunk.column_index_length = None


def _copy_bloom_filters(source: FileIO, chunks: Iterable[Any], target: FileIO) -> None:
    for chunk in chunks:
        column = chunk.meta_data
        if column.bloom_filter_offset is not None and column.bloom_filter_length is not None:
            start, column.bloom_filter_offset = column.bloom_filter_offset, target.tell()
            copy_range(source, start, column.bloom_filter_length, target)


def _rows_of_groups(footer: Any) -> list[int]:
    return [group.num_rows for group in footer.row_groups]


def _read_footer(file: FileIO) -> Any:
    file.seek(-_END.size, os.SEEK_END)
    length, magic = _END.unpack(file.read(_END.size))
    if magic != MAGIC:
        raise NotJoinable(f"{file.name} is not a Parquet file")
    file.seek(-_END.size - length, os.SEEK_END)
    footer = _definition().FileMetaData()
    try:
        TCompactProtocol(TMemoryBuffer(file.read(length))).read_struct(footer)
    except Exception as error:  # noqa: BLE001  # a damaged footer fails in whatever way its bytes lead to
        raise NotJoinable(f"{file.name} has a damaged footer: {error!r}") from None
    return footer


def _write_footer(footer: Any, target: FileIO) -> None:
    text = _encode(footer)
    write_all(target, text + _END.pack(len(text), MAGIC))


def _encode_columns(footer: Any) -> list[bytes]:
    return [_encode(element) for element in (*footer.schema, *(footer.column_orders or ()))]


def _encode(struct_of_footer: Any) -> bytes:
    written = TMemoryBuffer()
    TCompactProtocol(written).write_struct(struct_of_footer)
    return bytes(written.getvalue())


@functools.cache
def _definition() -> Any:
    text = files("pso_pipeline.bi").joinpath("footer.thrift").read_text(encoding="utf-8")
    return thriftpy2.load_fp(StringIO(text), "parquet_footer_thrift")
