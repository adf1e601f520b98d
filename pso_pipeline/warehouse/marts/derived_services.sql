-- internal.derived_services: one row for each completely read service of the enterprises whose figures stand in the marts, with
-- the revision that they were made from. Source: mews.sync_state, batch_enterprises.
DELETE FROM marts.internal.derived_services
WHERE enterprise_id IN (SELECT enterprise_id FROM batch_enterprises);

INSERT INTO marts.internal.derived_services BY NAME
SELECT progress.scope_id AS service_id, progress.enterprise_id, coalesce(progress.revision, 0) AS revision
FROM mews.sync_state AS progress
INNER JOIN batch_enterprises AS batch ON batch.enterprise_id = progress.enterprise_id
WHERE progress.endpoint = 'product_service_orders' AND progress.watermark_utc IS NOT NULL;
