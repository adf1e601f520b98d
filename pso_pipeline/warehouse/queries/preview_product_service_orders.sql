-- The ten orders of each of the enterprises $enterprise_ids that changed last, for a preview: no ids of accounts, bookers or
-- profiles. Source: mews.product_service_orders, mews.services.
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
LEFT JOIN mews.services AS services ON services.id = orders.service_id
WHERE
    orders.enterprise_id IN (SELECT unnest($enterprise_ids::VARCHAR[]))
    AND orders.is_missing_from_source IS DISTINCT FROM TRUE
QUALIFY row_number() OVER (PARTITION BY orders.enterprise_id ORDER BY orders.updated_utc DESC, orders.id) <= 10
ORDER BY orders.enterprise_id, orders.updated_utc DESC;
