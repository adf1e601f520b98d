-- How many orders the account $id owns or booked. Source: mews.product_service_orders.
SELECT count(*)
FROM mews.product_service_orders
WHERE lower(account_id) = lower($id) OR lower(booker_id) = lower($id);
