"""This module compares a lake with the source of its data."""

from pso_pipeline.contract.marts import DIM_ENTERPRISES, OPS_TABLES
from pso_pipeline_tests.marts import test_sequences as sequences
from pso_pipeline_tests.marts.rows import read_all
from pso_pipeline_tests.truth import expected_rows, landed_rows


def compare_lake_with_source(sandbox, warehouse):
    """Compare what landed, its versions and the marts with the source; return the number of orders."""
    truth = sandbox.world.snapshot(sandbox.world.clock.now())
    expected = expected_rows(truth.orders, truth.services)
    with warehouse.open() as connection:
        assert landed_rows(connection) == expected
        versions = connection.execute(
            "SELECT * EXCLUDE (fetched_utc, observed_utc) FROM mews.product_service_order_versions"
        ).fetchall()
        assert len(set(versions)) == len(versions), "a version is stored twice"
        with sequences.made() as scratch:
            assert _figures(read_all(connection)) == _figures(sequences.from_nothing(connection, scratch))
    return len(expected)


def _figures(marts):
    """The tables of figures, without the times up to which they are known: a sync moves them, a later run derives."""
    times = [place for place, name in enumerate(DIM_ENTERPRISES.column_names) if name.endswith("as_of_utc")]
    figures = {name: rows for name, rows in marts.items() if name not in {table.name for table in OPS_TABLES}}
    figures[DIM_ENTERPRISES.name] = [
        tuple(value for place, value in enumerate(row) if place not in times) for row in marts[DIM_ENTERPRISES.name]
    ]
    return figures
