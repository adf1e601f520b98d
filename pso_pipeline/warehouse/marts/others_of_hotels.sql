-- other_orders: one row for each order that may make a cancellation of the batch a rebooking. Source: landed_orders.
CREATE OR REPLACE TEMP VIEW other_orders AS
SELECT order_id, account_id, service_id, created_at FROM landed_orders;
