-- affected_enterprises: one row for each enterprise of the batch $batch. Source: requested_enterprises.
-- One that the warehouse no longer knows has no services and no time zone: its facts are removed.
CREATE OR REPLACE TEMP TABLE affected_enterprises AS
SELECT
    *,
    coalesce(last_midnight_utc <> previous_midnight_utc, FALSE) AS is_maturity_rollover,
    coalesce(items_midnight_utc <> previous_items_midnight_utc, FALSE) AS is_items_rollover
FROM requested_enterprises
WHERE batch = $batch;
