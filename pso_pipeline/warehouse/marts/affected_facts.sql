-- affected_facts: one row for each fact of an order, as it is stored and as it is now, by which the counts of its days and its
-- month change. Source: affected_enterprises, what changes of mart.fct_product_service_orders.
-- Reason for both rows: an order whose dates changed has to leave the counts of its old days and months.
CREATE OR REPLACE TEMP TABLE affected_facts AS
WITH facts AS (
    SELECT order_id, enterprise_id, service_id, created_date, canceled_date FROM stored_fct_product_service_orders
    UNION ALL
    SELECT order_id, enterprise_id, service_id, created_date, canceled_date FROM new_fct_product_service_orders
)

SELECT facts.enterprise_id, facts.service_id, facts.created_date, facts.canceled_date
FROM facts
SEMI JOIN (FROM affected_enterprises WHERE are_all_orders_affected) AS enterprises
    ON enterprises.enterprise_id = facts.enterprise_id
UNION ALL
SELECT facts.enterprise_id, facts.service_id, facts.created_date, facts.canceled_date
FROM facts
SEMI JOIN (FROM affected_enterprises WHERE are_some_orders_affected OR is_maturity_rollover) AS enterprises
    ON enterprises.enterprise_id = facts.enterprise_id
SEMI JOIN changed_fct_product_service_orders AS changed ON changed.order_id = facts.order_id;
