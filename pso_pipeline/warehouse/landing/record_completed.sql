-- Writes to mews.sync_state which services have been read to the end: one row of `progress` for each of them.
-- A watermark only moves forward; null leaves it as it is. is_full says that the unfinished full read is the one that ended.
MERGE INTO mews.sync_state AS stored
USING progress AS reached ON stored.endpoint = 'product_service_orders' AND stored.scope_id = reached.service_id
WHEN MATCHED THEN UPDATE SET
    enterprise_id = reached.enterprise_id,
    watermark_utc = greatest(stored.watermark_utc, reached.watermark_utc),
    full_read_started_utc = CASE WHEN NOT reached.is_full THEN stored.full_read_started_utc END,
    full_read_cursor = CASE WHEN NOT reached.is_full THEN stored.full_read_cursor END,
    full_read_records = CASE WHEN NOT reached.is_full THEN stored.full_read_records END,
    resync_started_utc = coalesce(reached.resync_started_utc, stored.resync_started_utc),
    last_success_utc = reached.succeeded_utc,
    last_error = NULL
WHEN NOT MATCHED THEN INSERT (endpoint, scope_id, enterprise_id, watermark_utc, last_success_utc, revision) VALUES (
    'product_service_orders', reached.service_id, reached.enterprise_id, reached.watermark_utc, reached.succeeded_utc, 0
);
