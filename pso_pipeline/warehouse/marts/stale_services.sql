-- stale_services: one row for each completely read service of the batch whose facts, or some of them, are made anew.
-- Source: mews.sync_state, batch_enterprises.
CREATE OR REPLACE TEMP TABLE stale_services AS
SELECT services.service_id, enterprises.enterprise_id, enterprises.time_zone
FROM mews.sync_state AS services
INNER JOIN batch_enterprises AS enterprises ON enterprises.enterprise_id = services.enterprise_id
WHERE services.watermark_utc IS NOT NULL AND (enterprises.is_stale OR enterprises.is_revised);
