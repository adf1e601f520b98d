-- mart.fct_product_service_orders: one row for each order of a completely read service that the source still has.
-- Source: order_facts. Reason: every count is made from these rows.
DELETE FROM mart.fct_product_service_orders WHERE enterprise_id IN (SELECT enterprise_id FROM stale_enterprises);

INSERT INTO mart.fct_product_service_orders BY NAME SELECT * FROM order_facts;
