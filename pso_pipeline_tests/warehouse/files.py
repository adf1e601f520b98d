"""This module makes DuckDB files in the format of earlier versions, and says which tests need DuckLake."""

import importlib.util

import duckdb
import pytest

needs_ducklake = pytest.mark.skipif(
    duckdb.__version__.startswith("2.") and importlib.util.find_spec("duckdb_extension_ducklake") is None,
    reason="the wheels of the DuckLake extensions exist for DuckDB 1.5 only",
)


def old_database(path):
    """Open a database file; a new one gets the format of DuckDB 1.0, which all versions read and write."""
    return duckdb.connect(str(path), config={"storage_compatibility_version": "v1.0.0"})
