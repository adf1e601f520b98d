-- stale_enterprises: one row for each enterprise of the batch whose facts are made anew. Source: batch_enterprises.
-- One that the warehouse no longer knows has no time zone and no services: its facts go.
CREATE OR REPLACE TEMP TABLE stale_enterprises AS
SELECT enterprise_id
FROM batch_enterprises
WHERE is_stale;
