"""Everything that uses Dagster: assets, jobs, checks, schedules, sensors and what they share.

Add a module here when it needs Dagster. The core (`ingestion`, `warehouse`, `bi`) never imports Dagster.
"""
