"""Tests of the real thing: a real DuckDB, real HTTP, a real Dagster instance."""
