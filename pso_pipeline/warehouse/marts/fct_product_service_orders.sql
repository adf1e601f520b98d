-- mart.fct_product_service_orders: one row for each order of a completely read service that the source still has.
-- Source: new_facts. Reason: every count is made from these rows.
-- Made anew: everything of stale_enterprises, and remade_orders.
DELETE FROM mart.fct_product_service_orders WHERE enterprise_id IN (SELECT enterprise_id FROM stale_enterprises);

DELETE FROM mart.fct_product_service_orders
WHERE
    order_id IN (SELECT order_id FROM remade_orders)
    AND enterprise_id IN (SELECT enterprise_id FROM batch_enterprises WHERE is_revised);

INSERT INTO mart.fct_product_service_orders BY NAME SELECT * FROM new_facts;
