-- internal.table_versions: one row for each published table, and of the large ones for each month of the orders' creation, with
-- the number of the last transaction that changed it. Source: changed_versions.
-- Reason for a table of its own: DuckLake cannot merge into a table from a query that reads it and other changed ones.
MERGE INTO internal.table_versions AS stored
USING changed_versions AS changed
    ON changed.table_name = stored.table_name AND changed.created_month IS NOT DISTINCT FROM stored.created_month
WHEN MATCHED THEN UPDATE SET version = changed.version
WHEN NOT MATCHED THEN INSERT BY NAME;
