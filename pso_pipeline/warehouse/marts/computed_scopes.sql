-- internal.computed_scopes: one row for each completely read scope of the enterprises whose metrics are in the marts, with the
-- revision that they were computed from. Source: mews.sync_state, affected_enterprises.
SELECT progress.endpoint, progress.scope_id, progress.enterprise_id, coalesce(progress.revision, 0) AS revision
FROM mews.sync_state AS progress
SEMI JOIN affected_enterprises AS affected ON affected.enterprise_id = progress.enterprise_id
WHERE progress.endpoint IN ('product_service_orders', 'order_items') AND progress.watermark_utc IS NOT NULL
