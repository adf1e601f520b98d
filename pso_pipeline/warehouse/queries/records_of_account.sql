-- One row: how many orders the account $id owns or booked, and how many order items it is charged for.
-- Source: mews.product_service_orders, mews.order_items.
SELECT
    (
        SELECT count(*)
        FROM mews.product_service_orders
        WHERE lower(account_id) = lower($id) OR lower(booker_id) = lower($id)
    ),
    (SELECT count(*) FROM mews.order_items WHERE lower(account_id) = lower($id));
