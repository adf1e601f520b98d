-- other_orders: one row for each order that may make a cancellation among single orders a rebooking: every one of the
-- accounts that canceled. Source: mews.product_service_orders, stale_services, landed_orders.
CREATE OR REPLACE TEMP VIEW other_orders AS
SELECT orders.id AS order_id, orders.account_id, orders.service_id, orders.created_utc AS created_at
FROM mews.product_service_orders AS orders
INNER JOIN stale_services AS services
    ON services.service_id = orders.service_id AND services.enterprise_id = orders.enterprise_id
SEMI JOIN (SELECT account_id FROM landed_orders WHERE canceled_at IS NOT NULL) AS canceled
    ON canceled.account_id = orders.account_id
WHERE orders.is_missing_from_source IS DISTINCT FROM TRUE;
