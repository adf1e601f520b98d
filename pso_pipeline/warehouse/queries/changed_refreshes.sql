-- One row: how many refreshes since $since mart.ops_refreshes lacks, or has as they were before.
SELECT count(*)
FROM mews.refreshes AS noted
LEFT JOIN mart.ops_refreshes AS stored ON stored.refresh_id = noted.refresh_id
WHERE
    noted.started_utc >= $since::TIMESTAMP
    AND (stored.refresh_id IS NULL OR stored.ended_at IS DISTINCT FROM noted.ended_utc OR stored.requests <> noted.requests);
