-- The five orders of each of the enterprises $enterprise_ids that changed last, for a preview: no ids of accounts, bookers or
-- profiles. Source: mews.product_service_orders, mews.services.
-- Only the times of all orders are sorted: sorting whole rows takes much memory.
WITH latest AS (
    SELECT enterprise_id, list_min(max(updated_utc, 5)) AS since_utc
    FROM mews.product_service_orders
    WHERE enterprise_id IN (SELECT unnest($enterprise_ids::VARCHAR[])) AND is_missing_from_source IS DISTINCT FROM TRUE
    GROUP BY enterprise_id
)

SELECT
    orders.enterprise_id,
    services.name AS service,
    orders.state,
    orders.origin,
    orders.created_utc,
    orders.updated_utc,
    orders.cancelled_utc,
    orders.owner_checked_in
FROM mews.product_service_orders AS orders
INNER JOIN latest ON latest.enterprise_id = orders.enterprise_id AND orders.updated_utc >= latest.since_utc
LEFT JOIN mews.services AS services ON services.id = orders.service_id
WHERE orders.is_missing_from_source IS DISTINCT FROM TRUE
QUALIFY row_number() OVER (PARTITION BY orders.enterprise_id ORDER BY orders.updated_utc DESC, orders.id) <= 5
ORDER BY orders.enterprise_id, orders.updated_utc DESC;
