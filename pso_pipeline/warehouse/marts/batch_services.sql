-- batch_services: one row for each service of the batch's enterprises. Source: mews.sync_state, batch_enterprises.
--   service  its number among them: counting by numbers takes a third less memory than by ids
--   zone     a number for its time zone: joining the orders' times by numbers costs less than by names
CREATE OR REPLACE TEMP TABLE batch_services AS
SELECT
    services.scope_id AS service_id,
    enterprises.enterprise_id,
    enterprises.time_zone,
    enterprises.last_midnight_utc,
    enterprises.requires_all_companions,
    enterprises.is_stale,
    services.watermark_utc IS NOT NULL AND (enterprises.is_stale OR enterprises.is_revised) AS is_made_anew,
    CAST(row_number() OVER (ORDER BY services.scope_id) AS INTEGER) AS service,
    CAST(dense_rank() OVER (ORDER BY enterprises.time_zone) AS INTEGER) AS zone
FROM mews.sync_state AS services
INNER JOIN batch_enterprises AS enterprises ON enterprises.enterprise_id = services.enterprise_id
WHERE services.endpoint = 'product_service_orders';
