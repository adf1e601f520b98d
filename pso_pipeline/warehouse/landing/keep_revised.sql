-- Notes in mews.changed_records which orders the landing adds or changes, or of which it brings an older version that is not the
-- current one, with the revision that it gave their services: that of each version at hand, so that an order that moved to
-- another service, which can be another hotel's, is noted for both.
-- A service that has not been read to its end is left out: its hotel is made anew whole.
INSERT INTO mews.changed_records BY NAME
SELECT DISTINCT 'product_service_orders' AS endpoint, weighed.service_id AS scope_id, weighed.id, progress.revision
FROM weighed
SEMI JOIN (SELECT id FROM weighed WHERE NOT is_held OR is_missing_from_source) AS affected ON affected.id = weighed.id
INNER JOIN mews.sync_state AS progress ON progress.endpoint = 'product_service_orders' AND progress.scope_id = weighed.service_id
WHERE progress.watermark_utc IS NOT NULL;
