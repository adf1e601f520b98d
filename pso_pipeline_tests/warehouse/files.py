"""This module makes DuckDB files in the storage format of earlier versions of the pipeline."""

import duckdb


def old_database(path):
    """Open a database file; a new one gets the format of DuckDB 1.0, which all versions read and write."""
    return duckdb.connect(str(path), config={"storage_compatibility_version": "v1.0.0"})
