-- Gives services whose orders changed a new revision, from which deriving tells which marts are stale.
-- One row of `progress` for each of them.
MERGE INTO mews.sync_state AS stored
USING progress AS reached ON stored.endpoint = 'product_service_orders' AND stored.scope_id = reached.service_id
WHEN MATCHED THEN UPDATE SET revision = stored.revision + 1
WHEN NOT MATCHED THEN INSERT (endpoint, scope_id, enterprise_id, revision) VALUES (
    'product_service_orders', reached.service_id, reached.enterprise_id, 1
);
