-- Brings mews.seen_schema up to date. Source: new_seen.
MERGE INTO mews.seen_schema AS stored
USING new_seen AS fresh
    ON
        stored.operation = fresh.operation
        AND stored.field = fresh.field
        AND stored.value IS NOT DISTINCT FROM fresh.value
WHEN MATCHED THEN UPDATE SET
    first_seen_utc = fresh.first_seen_utc,
    last_seen_utc = fresh.last_seen_utc,
    days_seen = fresh.days_seen,
    first_day = fresh.first_day,
    last_day = fresh.last_day
WHEN NOT MATCHED THEN INSERT BY NAME;
