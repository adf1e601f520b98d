-- One row for each enterprise looked at, in order of its batch: first those that are not stale, then those that are, with
-- about $orders_per_batch orders to a batch whose facts are made. Source: requested_enterprises,
-- mews.product_service_orders, mews.revised_orders.
-- Neighbours in the order of ids share a batch: the warehouse is then read by ranges of enterprise_id.
WITH sizes AS (
    SELECT enterprise_id, count(*) AS orders
    FROM mews.product_service_orders
    WHERE enterprise_id IN (SELECT enterprise_id FROM requested_enterprises WHERE is_stale)
    GROUP BY enterprise_id
    UNION ALL
    SELECT services.enterprise_id, count(*) AS orders
    FROM mews.revised_orders AS revised
    INNER JOIN mews.sync_state AS services ON services.service_id = revised.service_id
    WHERE services.enterprise_id IN (SELECT enterprise_id FROM requested_enterprises WHERE is_revised)
    GROUP BY services.enterprise_id
),

requested AS (
    SELECT requested.enterprise_id, requested.is_stale, requested.is_revised, coalesce(sizes.orders, 0) AS orders
    FROM requested_enterprises AS requested
    LEFT JOIN sizes ON sizes.enterprise_id = requested.enterprise_id
)

SELECT
    enterprise_id,
    is_stale,
    is_revised,
    (sum(orders) OVER (PARTITION BY is_stale ORDER BY enterprise_id) - orders) // $orders_per_batch AS batch
FROM requested
ORDER BY is_stale, enterprise_id;
