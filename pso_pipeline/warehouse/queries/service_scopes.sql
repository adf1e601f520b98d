-- One row for each service, with how far its records of the endpoint $endpoint have been read. Source: mews.services,
-- mews.sync_state, mews.enterprises. Product service orders are made against additional services, never against bookable ones.
SELECT
    services.id,
    services.enterprise_id,
    services.kind IS DISTINCT FROM 'Bookable' AND services.retired_utc IS NULL AS is_in_use,
    sync_state.watermark_utc,
    sync_state.full_read_started_utc,
    sync_state.full_read_cursor,
    coalesce(sync_state.full_read_records, 0),
    sync_state.last_success_utc,
    sync_state.last_error,
    services.unlisted_since_utc,
    coalesce(enterprises.unlisted_since_utc IS NOT NULL, FALSE),
    sync_state.resync_started_utc
FROM mews.services
LEFT JOIN mews.sync_state ON sync_state.endpoint = $endpoint AND sync_state.scope_id = services.id
LEFT JOIN mews.enterprises ON enterprises.id = services.enterprise_id
ORDER BY services.enterprise_id, services.id;
