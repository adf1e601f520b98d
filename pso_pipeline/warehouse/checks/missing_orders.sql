-- One row for each of the hotels $enterprise_ids: how many of its landed orders the source no longer has.
-- Source: mews.product_service_orders.
SELECT enterprise_id, count(*) AS missing
FROM mews.product_service_orders
WHERE is_missing_from_source AND enterprise_id IN (SELECT unnest($enterprise_ids::VARCHAR[]))
GROUP BY enterprise_id;
