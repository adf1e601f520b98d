-- One row for each enterprise looked at, in order of its batch: first those that are not stale, all together, then the
-- stale ones, with about $orders_per_batch orders to a batch. Source: requested_enterprises, mews.product_service_orders.
-- Neighbours in the order of ids share a batch: the warehouse is then read by ranges of enterprise_id.
WITH sizes AS (
    SELECT enterprise_id, count(*) AS orders FROM mews.product_service_orders GROUP BY enterprise_id
),

requested AS (
    SELECT
        requested.enterprise_id,
        requested.is_stale,
        CASE WHEN requested.is_stale THEN coalesce(sizes.orders, 0) ELSE 0 END AS orders
    FROM requested_enterprises AS requested
    LEFT JOIN sizes ON sizes.enterprise_id = requested.enterprise_id
)

SELECT
    enterprise_id,
    is_stale,
    (sum(orders) OVER (ORDER BY enterprise_id) - orders) // CASE WHEN is_stale THEN $orders_per_batch END AS batch
FROM requested
ORDER BY is_stale, enterprise_id;
