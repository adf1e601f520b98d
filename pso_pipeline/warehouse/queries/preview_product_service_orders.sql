-- The ten orders of the enterprises $enterprise_ids that changed last, for a preview: no ids of accounts, bookers or profiles.
-- Source: mews.product_service_orders, mews.services.
SELECT
    services.name AS service,
    orders.state,
    orders.origin,
    orders.created_utc,
    orders.updated_utc,
    orders.cancelled_utc,
    orders.owner_checked_in
FROM mews.product_service_orders AS orders
LEFT JOIN mews.services ON services.id = orders.service_id
WHERE orders.enterprise_id IN (SELECT unnest($enterprise_ids::VARCHAR[]))
ORDER BY orders.updated_utc DESC
LIMIT 10;
