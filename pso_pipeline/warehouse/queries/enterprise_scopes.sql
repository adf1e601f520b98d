-- One row for each enterprise, with how far its records of the endpoint $endpoint have been read. Source: mews.enterprises,
-- mews.sync_state.
SELECT
    enterprises.id,
    enterprises.id AS enterprise_id,
    enterprises.is_in_scope AS is_in_use,
    sync_state.watermark_utc,
    sync_state.full_read_started_utc,
    sync_state.full_read_cursor,
    coalesce(sync_state.full_read_records, 0),
    sync_state.last_success_utc,
    sync_state.last_error,
    enterprises.unlisted_since_utc,
    enterprises.unlisted_since_utc IS NOT NULL AS is_hotel_unlisted,
    sync_state.resync_started_utc
FROM mews.enterprises
LEFT JOIN mews.sync_state ON sync_state.endpoint = $endpoint AND sync_state.scope_id = enterprises.id
ORDER BY enterprises.id;
