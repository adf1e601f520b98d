"""What BI tools see: the published snapshot with its Parquet files, the rates, the report. No HTTP, no Dagster."""
