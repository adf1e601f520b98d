-- batch_enterprises: one row for each enterprise of the batch $enterprise_ids. Source: requested_enterprises.
CREATE OR REPLACE TEMP TABLE batch_enterprises AS
SELECT *
FROM requested_enterprises
WHERE enterprise_id IN (SELECT unnest($enterprise_ids::VARCHAR[]));
