-- stale_services: one row for each completely read service of the batch whose facts, or some of them, are made anew.
-- Source: batch_services.
CREATE OR REPLACE TEMP TABLE stale_services AS
SELECT service_id, enterprise_id, time_zone, zone, last_midnight_utc, requires_all_companions
FROM batch_services
WHERE is_made_anew;
