"""A version that the marts give to a table or a month never stands for two contents, whatever lands and is computed."""

from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pso_pipeline.bi.parquet import LARGE_TABLES, NO_MONTH, month_path, read_versions
from pso_pipeline.warehouse.marts.derive import derive
from pso_pipeline_tests.marts import test_sequences as sequences

Contents = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def connection():
    with sequences.made() as connection:
        yield connection


def read_contents(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, str], Contents]:
    """Read the version of each Parquet file, and its rows."""
    versions = read_versions(connection)
    contents: Contents = {}
    for table, files in versions.items():
        if table not in LARGE_TABLES:
            (path,) = files
            contents[path] = connection.execute(f"FROM mart.{table} ORDER BY ALL").fetchall()
            continue
        rows = f"SELECT strftime(order_date, '%Y-%m'), * EXCLUDE (order_date) FROM ({LARGE_TABLES[table]}) ORDER BY ALL"
        for month, *row in connection.execute(rows).fetchall():
            contents.setdefault(month_path(table, month or NO_MONTH), []).append(tuple(row))
    return {path: version for files in versions.values() for path, version in files.items()}, contents


@sequences.of_sequences
@given(
    landed=st.lists(sequences.new_orders, min_size=2, max_size=12),
    sequence=st.lists(st.tuples(sequences.steps, sequences.derivations), min_size=1, max_size=8),
)
def test_the_same_version_is_the_same_content(connection, monkeypatch, landed, sequence):
    source = sequences.Source(connection)
    source.begin(landed)
    derive(connection)
    seen: Contents = {}
    for step, derivation in [(("time", 1), "all"), *sequence, (("time", 1), "all")]:
        source.take(step)
        sequences.run(connection, derivation, monkeypatch)
        versions, contents = read_contents(connection)
        assert contents.keys() <= versions.keys(), "a month has no version"
        for path, version in versions.items():
            rows = contents.get(path, [])
            assert seen.setdefault(f"{path} {version}", rows) == rows
    before = versions
    derive(connection)
    assert read_contents(connection)[0] == before, "nothing changed, and versions did"
