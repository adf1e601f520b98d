-- internal.computed_services: one row for each completely read service of the enterprises whose metrics are in the marts, with the
-- revision that they were computed from. Source: mews.sync_state, affected_enterprises.
SELECT progress.scope_id AS service_id, progress.enterprise_id, coalesce(progress.revision, 0) AS revision
FROM mews.sync_state AS progress
SEMI JOIN affected_enterprises AS affected ON affected.enterprise_id = progress.enterprise_id
WHERE progress.endpoint = 'product_service_orders' AND progress.watermark_utc IS NOT NULL
