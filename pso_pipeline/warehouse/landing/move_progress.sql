-- Gives the progress of the services $ids, which are another hotel's now, that hotel and a new revision. Source: mews.services.
UPDATE mews.sync_state AS stored
SET enterprise_id = services.enterprise_id, revision = stored.revision + 1
FROM mews.services
WHERE stored.endpoint = 'product_service_orders' AND services.id = stored.scope_id AND services.id IN (SELECT unnest($ids::VARCHAR[]));
