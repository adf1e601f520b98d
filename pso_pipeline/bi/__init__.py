"""What BI tools read: the published snapshot with its Parquet files, the rates, the report. No HTTP, no Dagster."""
