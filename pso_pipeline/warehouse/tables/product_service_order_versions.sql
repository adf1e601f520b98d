-- mews.product_service_order_versions: one row for each version ever seen of each order.
-- Source: the current versions and those that they replaced.
-- An unchanged order keeps the time of its first reading as fetched_utc, so that is when its version was first observed.
CREATE VIEW IF NOT EXISTS mews.product_service_order_versions AS
SELECT *, fetched_utc AS observed_utc FROM mews.product_service_orders
UNION ALL BY NAME
SELECT * FROM mews.superseded_product_service_orders;
