import struct

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pso_pipeline.bi.joining import NotJoinable, _encode, _read_footer, join_columns, join_rows

ROWS = 70_000
LEFT = f"""
    SELECT
        i AS number, 'order-' || i AS id, CASE WHEN i % 3 > 0 THEN 'origin ' || i % 5 END AS origin,
        TIMESTAMP '2026-01-01' + to_seconds(i) AS created_at, DATE '2026-01-01' + (i % 90)::INTEGER AS date,
        i / 7 AS share, i % 2 = 0 AS is_even, NULL::VARCHAR AS never
    FROM range({ROWS}) AS orders(i)
"""
COPY = f"COPY ({LEFT}) TO $file (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 30720)"


@pytest.fixture
def left(tmp_path):
    """A file of DuckDB's with several row groups and Bloom filters."""
    path = tmp_path / "left.parquet"
    with duckdb.connect(config={"threads": 2, "preserve_insertion_order": False}) as connection:
        connection.execute(COPY, {"file": str(path)})
    return path


def write_right(left, path, *, rows_left_out: int = 0):
    """Write a file of Arrow's whose rows tell the number of the row beside them."""
    with pq.ParquetFile(left) as source, pq.ParquetWriter(path, right_schema(), compression="zstd") as writer:
        for place in range(source.num_row_groups):
            numbers = source.read_row_group(place, columns=["number"])["number"].to_pylist()[rows_left_out:]
            names = [None if number % 11 == 0 else f"name {number % 4}" for number in numbers]
            table = pa.table({"same_number": numbers, "name": names}, schema=right_schema())
            writer.write_table(table, row_group_size=len(numbers))
    return path


def right_schema():
    return pa.schema({"same_number": pa.int64(), "name": pa.string()})


def test_both_files_stand_side_by_side_for_every_reader(left, tmp_path):
    right, joined = write_right(left, tmp_path / "right.parquet"), tmp_path / "joined.parquet"

    assert join_columns(left, right, joined) == ROWS
    query = f"""
        SELECT *, number AS same_number, CASE WHEN number % 11 > 0 THEN 'name ' || number % 4 END AS name
        FROM ({LEFT}) ORDER BY number
    """
    expected = duckdb.sql(query)
    found = duckdb.sql(f"FROM '{joined}' ORDER BY number")
    assert (found.columns, found.types) == (expected.columns, expected.types)
    assert found.fetchall() == expected.fetchall()
    table = pq.read_table(joined).sort_by("number")
    table.validate(full=True)
    assert table.select(range(8, 10)).to_pydict() == {
        "same_number": list(range(ROWS)),
        "name": [None if number % 11 == 0 else f"name {number % 4}" for number in range(ROWS)],
    }
    assert table["id"].to_pylist() == [f"order-{number}" for number in range(ROWS)]


def test_statistics_and_bloom_filters_still_tell_which_row_groups_to_read(left, tmp_path):
    joined = tmp_path / "joined.parquet"
    join_columns(left, write_right(left, tmp_path / "right.parquet"), joined)

    probe = "SELECT row_group_id, bloom_filter_excludes FROM parquet_bloom_probe($file, $column, $value) ORDER BY ALL"
    for value, is_excluded in (("origin 1", False), ("elsewhere", True)):
        parameters = {"file": str(joined), "column": "origin", "value": value}
        found = duckdb.execute(probe, parameters).fetchall()
        assert len(found) > 1
        assert {excluded for _, excluded in found} == {is_excluded}
    statistics = "SELECT stats_min_value, stats_max_value FROM parquet_metadata($file) WHERE path_in_schema = $column"
    for column, source in (("number", left), ("same_number", tmp_path / "right.parquet")):
        before, after = (
            duckdb.execute(statistics, {"file": str(file), "column": column}).fetchall() for file in (source, joined)
        )
        assert after == before


def test_the_pages_are_copied_and_not_encoded_again(left, tmp_path):
    right, joined = write_right(left, tmp_path / "right.parquet"), tmp_path / "joined.parquet"
    join_columns(left, right, joined)

    content, footer = joined.read_bytes(), pq.read_metadata(joined)
    for group in range(footer.num_row_groups):
        for place, (source, own) in enumerate([(left, place) for place in range(8)] + [(right, 0), (right, 1)]):
            before = pq.read_metadata(source).row_group(group).column(own)
            after = footer.row_group(group).column(place)
            assert pages(source.read_bytes(), before) == pages(content, after)


def pages(content: bytes, column) -> bytes:
    first = column.dictionary_page_offset or column.data_page_offset
    return content[first : first + column.total_compressed_size]


def test_files_without_rows_are_joined(tmp_path):
    left, right, joined = (tmp_path / f"{name}.parquet" for name in ("left", "right", "joined"))
    duckdb.execute("COPY (SELECT 1 AS number WHERE false) TO $file (FORMAT parquet)", {"file": str(left)})
    write_right(left, right)

    assert join_columns(left, right, joined) == 0
    assert duckdb.sql(f"FROM '{joined}'").columns == ["number", "same_number", "name"]
    assert pq.read_table(joined).num_rows == 0


def test_files_with_other_row_groups_are_refused(left, tmp_path):
    right = write_right(left, tmp_path / "right.parquet", rows_left_out=1)
    with pytest.raises(NotJoinable, match="do not have the same rows in each row group"):
        join_columns(left, right, tmp_path / "joined.parquet")


def test_row_groups_stand_one_after_the_other_for_every_reader(left, tmp_path):
    other, joined = tmp_path / "other.parquet", tmp_path / "joined.parquet"
    duckdb.execute(COPY.replace("origin ' || i % 5", "place ' || i % 3"), {"file": str(other)})
    groups = pq.read_metadata(left).num_row_groups
    parts = [(left, slice(1, 2)), (other, slice(0, groups)), (left, slice(2, groups)), (left, slice(0, 1))]

    assert join_rows(parts, joined, {"kind": "joined"}) == 2 * ROWS
    expected = duckdb.sql(f"FROM '{left}' UNION ALL FROM '{other}' ORDER BY ALL")
    found = duckdb.sql(f"FROM '{joined}' ORDER BY ALL")
    assert (found.columns, found.types) == (expected.columns, expected.types)
    assert found.fetchall() == expected.fetchall()
    pq.read_table(joined).validate(full=True)
    assert pq.read_metadata(joined).metadata == {b"kind": b"joined"}
    first = pq.read_table(left, columns=["id"]).slice(0, 1), pq.ParquetFile(joined).read_row_group(2 * groups - 1)
    assert first[0]["id"][0] == first[1]["id"][0]


def test_row_groups_keep_their_pages_statistics_and_bloom_filters(left, tmp_path):
    joined = tmp_path / "joined.parquet"
    groups = pq.read_metadata(left).num_row_groups
    join_rows([(left, slice(2, groups)), (left, slice(0, 2))], joined, {})

    places = [*range(2, groups), 0, 1]
    content, footer, source = joined.read_bytes(), pq.read_metadata(joined), pq.read_metadata(left)
    for group, place in enumerate(places):
        for column in range(footer.num_columns):
            before, after = source.row_group(place).column(column), footer.row_group(group).column(column)
            assert pages(left.read_bytes(), before) == pages(content, after)
            assert before.statistics == after.statistics
    probe = "SELECT bloom_filter_excludes FROM parquet_bloom_probe($file, 'origin', $value)"
    for value, is_excluded in (("origin 1", False), ("elsewhere", True)):
        found = duckdb.execute(probe, {"file": str(joined), "value": value}).fetchall()
        assert found == [(is_excluded,)] * groups


def test_row_groups_of_other_columns_are_refused_and_so_is_nothing(left, tmp_path):
    other = tmp_path / "other.parquet"
    duckdb.execute(
        "COPY (SELECT i AS number FROM range(3) AS orders(i)) TO $file (FORMAT parquet)", {"file": str(other)}
    )
    with pytest.raises(NotJoinable, match="do not have the same columns"):
        join_rows([(left, slice(None)), (other, slice(None))], tmp_path / "joined.parquet", {})
    with pytest.raises(NotJoinable, match="nothing to join"):
        join_rows([], tmp_path / "none.parquet", {})


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-4] + b"PAR2",
        lambda content: content[:-200] + bytes(192) + content[-8:],
        lambda content: content[:-8] + struct.pack("<I", len(content) * 2) + content[-4:],
        lambda content: content[:3],
    ],
    ids=["other magic", "damaged footer", "longer than the file", "cut off"],
)
def test_what_is_no_parquet_file_is_refused(left, tmp_path, damage):
    right = write_right(left, tmp_path / "right.parquet")
    left.write_bytes(damage(left.read_bytes()))
    with pytest.raises((NotJoinable, OSError)):
        join_columns(left, right, tmp_path / "joined.parquet")


def test_nothing_of_a_footer_is_lost_that_the_writers_of_today_write(left, tmp_path):
    for path in (left, write_right(left, tmp_path / "right.parquet")):
        content = path.read_bytes()
        (length,) = struct.unpack("<I", content[-8:-4])
        with path.open("rb", buffering=0) as file:
            assert _encode(_read_footer(file)) == content[-8 - length : -8]


def test_a_footer_without_the_order_of_values_is_refused(left, tmp_path):
    right = write_right(left, tmp_path / "right.parquet")
    content = right.read_bytes()
    with right.open("rb", buffering=0) as file:
        footer = _read_footer(file)
    footer.column_orders = None
    text = _encode(footer)
    right.write_bytes(
        content[: -8 - struct.unpack("<I", content[-8:-4])[0]] + text + struct.pack("<I", len(text)) + b"PAR1"
    )
    with pytest.raises(NotJoinable, match="does not say how its values are ordered"):
        join_columns(left, right, tmp_path / "joined.parquet")
