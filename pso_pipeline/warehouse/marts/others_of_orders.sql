-- other_orders: one row for each order that may make a cancellation among single orders a rebooking: every one of the
-- accounts that canceled that is pending or firm, and not canceled itself.
-- Source: mews.product_service_orders, stale_services, order_states, landed_orders.
CREATE OR REPLACE TEMP VIEW other_orders AS
SELECT
    orders.id AS order_id,
    orders.account_id,
    orders.service_id,
    orders.booker_id,
    orders.linked_reservation_id,
    bounded(orders.created_utc) AS created_at
FROM mews.product_service_orders AS orders
INNER JOIN stale_services AS services
    ON services.service_id = orders.service_id AND services.enterprise_id = orders.enterprise_id
INNER JOIN order_states AS states ON states.state = orders.state
SEMI JOIN (SELECT account_id FROM landed_orders WHERE canceled_at IS NOT NULL) AS canceled
    ON canceled.account_id = orders.account_id
WHERE orders.is_missing_from_source IS DISTINCT FROM TRUE AND (states.is_open OR states.is_checked_in);
