-- Puts the watermarks in mews.sync_state that lie after $latest back: to the latest update of the service's orders that lies before
-- $now, or to $believed before $now where the watermark is no further ahead than that, whichever is later. Null where there is
-- neither. The marts of these services are recomputed. Source: mews.product_service_orders.
WITH wrong AS (
    SELECT
        progress.scope_id AS service_id,
        max(CASE WHEN progress.watermark_utc <= $now::TIMESTAMP + $believed THEN $now::TIMESTAMP - $believed END) AS a_day_ago,
        max(orders.updated_utc) AS latest_update
    FROM mews.sync_state AS progress
    LEFT JOIN mews.product_service_orders AS orders
        ON orders.service_id = progress.scope_id AND orders.updated_utc <= $now::TIMESTAMP
    WHERE progress.endpoint = 'product_service_orders' AND progress.watermark_utc > $latest
    GROUP BY progress.scope_id
)

UPDATE mews.sync_state AS stored
SET
    watermark_utc = greatest(wrong.a_day_ago, wrong.latest_update),
    last_success_utc = least(stored.last_success_utc, $now::TIMESTAMP),
    revision = coalesce(stored.revision, 0) + 1
FROM wrong
WHERE stored.endpoint = 'product_service_orders' AND wrong.service_id = stored.scope_id;
