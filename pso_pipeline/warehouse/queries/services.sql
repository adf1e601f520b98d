-- One row for each service, with how far it has been read. Source: mews.services, mews.sync_state,
-- mews.enterprises.
SELECT
    services.id,
    services.enterprise_id,
    services.kind,
    sync_state.watermark_utc,
    sync_state.full_read_started_utc,
    sync_state.full_read_cursor,
    coalesce(sync_state.full_read_records, 0),
    sync_state.last_success_utc,
    sync_state.last_error,
    services.unlisted_since_utc,
    coalesce(enterprises.unlisted_since_utc IS NOT NULL, FALSE),
    services.retired_utc IS NOT NULL,
    sync_state.resync_started_utc
FROM mews.services
LEFT JOIN mews.sync_state ON sync_state.endpoint = 'product_service_orders' AND sync_state.scope_id = services.id
LEFT JOIN mews.enterprises ON enterprises.id = services.enterprise_id
ORDER BY services.enterprise_id, services.id;
