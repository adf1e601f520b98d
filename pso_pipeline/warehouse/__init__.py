"""DuckDB: the tables, who may open them, how rows land and how marts are derived. No HTTP and no Dagster here."""
