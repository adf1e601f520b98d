-- Puts the newest version of each known order that changed, or that had been marked missing and was read again, into
-- mews.product_service_orders.
MERGE INTO mews.product_service_orders AS stored
USING (
    SELECT
        * EXCLUDE (is_held, content_hash, last_read_utc, is_known, is_current, is_tied)
        REPLACE (false AS is_missing_from_source)
    FROM weighed
    WHERE is_current AND is_known AND (NOT is_held OR is_missing_from_source)
) AS newest ON stored.id = newest.id
WHEN MATCHED THEN UPDATE
WHEN NOT MATCHED THEN INSERT;
