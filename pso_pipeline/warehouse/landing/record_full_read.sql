-- Writes to mews.sync_state how far unfinished full reads have come: one row of `progress` for each service.
-- A first read is not noted where another process has completed one meanwhile: the service would look unfinished again.
MERGE INTO mews.sync_state AS stored
USING progress AS reached ON stored.endpoint = 'product_service_orders' AND stored.scope_id = reached.service_id
WHEN MATCHED AND (stored.watermark_utc IS NULL OR reached.is_resync) THEN UPDATE SET
    enterprise_id = reached.enterprise_id,
    full_read_started_utc = reached.started_utc,
    full_read_cursor = reached.cursor,
    full_read_records = reached.orders
WHEN NOT MATCHED THEN INSERT (
    endpoint, scope_id, enterprise_id, full_read_started_utc, full_read_cursor, full_read_records, revision
) VALUES (
    'product_service_orders', reached.service_id, reached.enterprise_id, reached.started_utc, reached.cursor, reached.orders, 0
);
