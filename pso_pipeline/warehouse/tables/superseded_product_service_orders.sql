-- mews.superseded_product_service_orders: one row for each version of an order that a newer one has replaced, or that came late.
-- Source: mews.product_service_orders, at the moment before a landing replaces a row there. Rows are only added.
-- Reason: most orders never change after the first read, so the current version is not stored twice;
-- mews.product_service_order_versions shows both together.
CREATE TABLE IF NOT EXISTS mews.superseded_product_service_orders AS
SELECT *, fetched_utc AS observed_utc FROM mews.product_service_orders LIMIT 0;
