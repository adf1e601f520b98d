-- other_orders: one row for each order that may make a cancellation of the batch a rebooking: it is pending or firm, and not
-- canceled itself. Source: landed_orders.
CREATE OR REPLACE TEMP VIEW other_orders AS
SELECT order_id, account_id, service_id, booker_id, linked_reservation_id, created_at
FROM landed_orders
WHERE is_open OR is_checked_in;
