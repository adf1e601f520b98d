-- Gives orders in mews.superseded_product_service_orders the enterprise of their service, where they landed before it was listed or where it is
-- another hotel's now. Source: mews.services.
UPDATE mews.superseded_product_service_orders AS orders
SET enterprise_id = services.enterprise_id
FROM mews.services
WHERE services.id = orders.service_id AND services.enterprise_id IS DISTINCT FROM orders.enterprise_id;
