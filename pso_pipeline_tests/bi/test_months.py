"""Months of the cancellation curve: those that changed are written, others taken over, and the file is always right."""

from datetime import date

import duckdb
import pyarrow.parquet as pq
import pytest

from pso_pipeline.bi.joining import NotJoinable, join_rows
from pso_pipeline.bi.months import write_months
from pso_pipeline.bi.parquet import COPY_MONTH
from pso_pipeline.bi.snapshot import publish
from pso_pipeline_tests.bi.generations import open_marts
from pso_pipeline_tests.bi.test_publish import rows_of_file, rows_of_view

CURVE = "agg_cancellation_curve"
JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))
MORE_MONTHS = """
    INSERT INTO internal.cancellation_curve_runs
    SELECT runs.* REPLACE (CAST(cohort_month + to_months(later) AS DATE) AS cohort_month)
    FROM internal.cancellation_curve_runs AS runs, (VALUES (1), (2)) AS months(later)
"""


@pytest.fixture
def written(monkeypatch):
    """The months that were written, of which each publication adds its own."""
    months = []

    def noting(path, digests, write_month, before):
        def write_and_note(month, file):
            months.append(month)
            write_month(month, file)

        return write_months(path, digests, write_and_note, before)

    monkeypatch.setattr("pso_pipeline.bi.parquet.write_months", noting)
    return months


def test_only_months_that_changed_are_written(marts, bi_dir, written):
    change(marts, MORE_MONTHS)
    publish(marts, bi_dir)
    assert written == [JANUARY, FEBRUARY, MARCH]
    assert rows_of_file(bi_dir, CURVE) == rows_of_view(bi_dir, CURVE)

    for statement, expected in (
        ("UPDATE {} SET canceled_by_then = 1 WHERE cohort_month = '2026-02-01'", [FEBRUARY]),
        ("UPDATE {} SET last_day = 4 WHERE cohort_month = '2026-01-01'", [JANUARY]),
        ("DELETE FROM {} WHERE cohort_month = '2026-02-01'", []),
        ("UPDATE {} SET cohort_month = '2026-02-01' WHERE cohort_month = '2026-03-01'", [FEBRUARY]),
    ):
        written.clear()
        change(marts, statement.format("internal.cancellation_curve_runs"))
        assert publish(marts, bi_dir).rewritten == (CURVE,)
        assert written == expected
        assert rows_of_file(bi_dir, CURVE) == rows_of_view(bi_dir, CURVE)


def test_all_months_are_written_where_the_view_was_made_otherwise(marts, bi_dir, written):
    change(marts, MORE_MONTHS)
    publish(marts, bi_dir)
    written.clear()
    change(
        marts,
        f"CREATE OR REPLACE VIEW mart.{CURVE} AS SELECT enterprise_id, service_id, cohort_month,"
        " first_day AS days_since_creation, orders_at_risk, canceled_by_then FROM internal.cancellation_curve_runs;"
        " UPDATE internal.marts_definition SET definition_digest = 'another'",
    )
    publish(marts, bi_dir)
    assert written == [JANUARY, FEBRUARY, MARCH]
    assert rows_of_file(bi_dir, CURVE) == rows_of_view(bi_dir, CURVE)


def leave_out_the_first_month(path):
    notes = {key.decode(): value.decode() for key, value in pq.read_metadata(path).metadata.items()}
    whole = path.rename(path.with_name("whole.parquet"))
    join_rows([(whole, slice(1, None))], path, notes)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
        lambda path: path.write_bytes(path.read_bytes()[:-300] + bytes(296) + b"PAR1"),
        lambda path: path.unlink(),
        lambda path: duckdb.execute("COPY (SELECT 1 AS a) TO $file (FORMAT parquet)", {"file": str(path)}),
        lambda path: duckdb.execute(
            "COPY (SELECT 1 AS a) TO $file (FORMAT parquet, KV_METADATA {'pso_pipeline.months': 'unknown'})",
            {"file": str(path)},
        ),
        leave_out_the_first_month,
    ],
    ids=["no Parquet", "damaged footer", "missing", "without a note", "with another note", "a month short"],
)
def test_all_months_are_written_where_the_file_before_does_not_tell(marts, tmp_path, spoil):
    change(marts, MORE_MONTHS)
    path, before = tmp_path / "curve.parquet", tmp_path / "before.parquet"
    digests = {JANUARY: "one", FEBRUARY: "two"}
    months = []
    with duckdb.connect(str(marts), read_only=True) as connection:

        def write_month(month, file):
            months.append(month)
            connection.execute(COPY_MONTH, {"table": f"mart.{CURVE}", "month": month, "file": str(file)})

        assert write_months(before, digests, write_month, None) == write_months(path, digests, write_month, before)
        assert months == [JANUARY, FEBRUARY]
        path.unlink()
        spoil(before)
        write_months(path, digests, write_month, before)
        assert months == 2 * [JANUARY, FEBRUARY]
        expected = f"FROM mart.{CURVE} WHERE cohort_month <= '2026-02-01' ORDER BY ALL"
        assert duckdb.sql(f"FROM '{path}' ORDER BY ALL").fetchall() == connection.execute(expected).fetchall()


def test_without_months_there_is_a_file_without_rows(marts, bi_dir, caplog):
    change(marts, "DELETE FROM internal.cancellation_curve_runs")
    publish(marts, bi_dir)
    assert rows_of_file(bi_dir, CURVE) == []
    assert not caplog.records


def test_the_curve_is_written_at_once_where_its_months_cannot_be_joined(marts, bi_dir, monkeypatch, caplog):
    def fail(_parts, target, _notes):
        target.write_bytes(b"PAR1")
        raise NotJoinable("no")

    monkeypatch.setattr("pso_pipeline.bi.months.join_rows", fail)
    change(marts, MORE_MONTHS)
    publish(marts, bi_dir)
    assert rows_of_file(bi_dir, CURVE) == rows_of_view(bi_dir, CURVE)
    assert "agg_cancellation_curve.parquet is written anew, its usual way failed: no" in caplog.text


def change(marts, statements):
    with open_marts(marts) as connection:
        connection.execute(statements)
