-- One row for each enterprise looked at, in order of its batch: first those that are not stale, then those that are, with
-- about $orders_per_batch orders to a batch that are counted again. Source: requested_enterprises,
-- mews.product_service_orders, mews.changed_records.
-- Of one that is not stale nobody knows before how many these are: some hundred for each order that changed (all of its days
-- and its month), and of time alone a quarter of all. Each counts three times: where most are counted again for the curves alone,
-- these take more memory than facts.
-- Neighbours in the order of ids share a batch: the warehouse is then read by ranges of enterprise_id.
WITH sizes AS (
    SELECT enterprise_id, count(*) AS orders FROM mews.product_service_orders GROUP BY enterprise_id
),

changes AS (
    SELECT services.enterprise_id, count(*) AS orders
    FROM mews.changed_records AS revised
    INNER JOIN mews.sync_state AS services ON services.scope_id = revised.scope_id AND services.endpoint = revised.endpoint
    WHERE revised.endpoint = 'product_service_orders'
    GROUP BY services.enterprise_id
),

requested AS (
    SELECT
        requested.enterprise_id,
        requested.is_stale,
        requested.is_revised,
        coalesce(sizes.orders, 0) AS stored,
        CASE
            WHEN requested.is_stale THEN stored
            ELSE least(stored, greatest(3 * stored // 4, 300 * coalesce(changes.orders, 0)))
        END AS orders
    FROM requested_enterprises AS requested
    LEFT JOIN sizes ON sizes.enterprise_id = requested.enterprise_id
    LEFT JOIN changes ON changes.enterprise_id = requested.enterprise_id
)

SELECT
    enterprise_id,
    is_stale,
    is_revised,
    (sum(orders) OVER (PARTITION BY is_stale ORDER BY enterprise_id) - orders) // $orders_per_batch AS batch
FROM requested
ORDER BY is_stale, enterprise_id;
