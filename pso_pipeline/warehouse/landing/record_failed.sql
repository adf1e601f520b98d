-- Writes to mews.sync_state why services could not be read: one row of `progress` for each of them.
MERGE INTO mews.sync_state AS stored
USING progress AS reached ON stored.endpoint = 'product_service_orders' AND stored.scope_id = reached.service_id
WHEN MATCHED THEN UPDATE SET last_error = reached.error
WHEN NOT MATCHED THEN INSERT (endpoint, scope_id, enterprise_id, last_error, revision) VALUES (
    'product_service_orders', reached.service_id, reached.enterprise_id, reached.error, 0
);
