-- Writes to mews.service_listings how far the services of enterprises have been listed: one row of `listed` for each.
-- A null listed_utc leaves the one that stands: only changes were listed.
MERGE INTO mews.service_listings AS stored
USING listed ON stored.enterprise_id = listed.enterprise_id
WHEN MATCHED THEN UPDATE SET
    token_fingerprint = listed.token_fingerprint,
    listed_utc = coalesce(listed.listed_utc, stored.listed_utc),
    watermark_utc = listed.watermark_utc
WHEN NOT MATCHED THEN INSERT BY NAME;
