-- One row for each service that is listed now and whose orders landed earlier without their enterprise.
SELECT DISTINCT services.id, services.enterprise_id
FROM mews.product_service_orders AS orders
INNER JOIN mews.services ON services.id = orders.service_id
WHERE orders.enterprise_id IS NULL;
