-- counted: for each hotel its orders, and those whose service or hotel no list of the API has named, or whose service
-- another hotel sells.
CREATE OR REPLACE TEMP TABLE counted AS
SELECT
    coalesce(orders.enterprise_id, '') AS enterprise_id,
    count(*) AS checked,
    count(*) FILTER (WHERE services.id IS NULL OR enterprises.id IS NULL) AS violations,
    'service ' || min(orders.service_id) FILTER (WHERE services.id IS NULL OR enterprises.id IS NULL) AS detail
FROM mews.product_service_orders AS orders
LEFT JOIN mews.services AS services
    ON services.id = orders.service_id AND services.enterprise_id = orders.enterprise_id
LEFT JOIN mews.enterprises AS enterprises ON enterprises.id = orders.enterprise_id
WHERE coalesce(orders.enterprise_id, '') IN (SELECT enterprise_id FROM checked_enterprises)
GROUP BY coalesce(orders.enterprise_id, '');
