-- Adds the orders that the warehouse does not hold yet, in their newest version.
INSERT INTO mews.product_service_orders BY NAME
SELECT * EXCLUDE (is_held, content_hash, last_read_utc, is_known, is_current, is_tied)
FROM weighed
WHERE is_current AND NOT is_known;
