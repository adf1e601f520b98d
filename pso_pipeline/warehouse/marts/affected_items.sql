-- affected_items: one row for each item of the batch whose facts are computed again: all items of a hotel, or those that landings
-- noted, those of an affected order, and those whose product or service has another name or kind.
-- Source: affected_enterprises, affected_orders, mews.changed_records, mews.order_items, mart.fct_order_items, and what changes of
-- mart.dim_products and mart.dim_services.
CREATE OR REPLACE TEMP TABLE affected_items AS
WITH known AS (
    SELECT id AS item_id, enterprise_id, service_order_id FROM mews.order_items
    UNION ALL
    SELECT item_id, enterprise_id, service_order_id FROM mart.fct_order_items
)

SELECT records.id AS item_id, affected.enterprise_id
FROM mews.changed_records AS records
INNER JOIN affected_enterprises AS affected ON affected.enterprise_id = records.scope_id
WHERE records.endpoint = 'order_items' AND affected.are_some_orders_affected
UNION
SELECT known.item_id, known.enterprise_id
FROM known
SEMI JOIN affected_orders AS affected
    ON affected.order_id = known.service_order_id AND affected.enterprise_id = known.enterprise_id
UNION
SELECT known.item_id, known.enterprise_id
FROM known
SEMI JOIN (FROM affected_enterprises WHERE are_all_orders_affected) AS affected
    ON affected.enterprise_id = known.enterprise_id
UNION
SELECT facts.item_id, facts.enterprise_id
FROM mart.fct_order_items AS facts
SEMI JOIN changed_dim_products AS changed
    ON changed.product_id = facts.product_id AND changed.enterprise_id = facts.enterprise_id
UNION
SELECT facts.item_id, facts.enterprise_id
FROM mart.fct_order_items AS facts
SEMI JOIN changed_dim_services AS changed
    ON changed.service_id = facts.service_id AND changed.enterprise_id = facts.enterprise_id;
