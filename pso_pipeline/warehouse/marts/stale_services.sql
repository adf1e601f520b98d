-- stale_services: one row for each completely read service of the batch. Source: mews.sync_state, stale_enterprises.
CREATE OR REPLACE TEMP TABLE stale_services AS
SELECT services.service_id, enterprises.enterprise_id, enterprises.time_zone
FROM mews.sync_state AS services
INNER JOIN stale_enterprises AS enterprises ON enterprises.enterprise_id = services.enterprise_id
WHERE services.watermark_utc IS NOT NULL;
