-- Gives orders in mews.product_service_orders that landed before their service was listed the enterprise of that service.
UPDATE mews.product_service_orders AS orders
SET enterprise_id = services.enterprise_id
FROM mews.services
WHERE orders.enterprise_id IS NULL AND services.id = orders.service_id;
