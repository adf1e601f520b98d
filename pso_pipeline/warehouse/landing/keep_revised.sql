-- Notes in mews.revised_orders which orders the landing adds or changes, or of which it brings an older version that is not the
-- current one, with the revision that it gave their services.
-- A service that has not been read to its end is left out: its hotel is made anew whole.
INSERT INTO mews.revised_orders BY NAME
SELECT DISTINCT weighed.service_id, weighed.id, progress.revision
FROM weighed
INNER JOIN mews.sync_state AS progress ON progress.service_id = weighed.service_id
WHERE progress.watermark_utc IS NOT NULL AND (NOT weighed.is_held OR weighed.is_missing_from_source);
