-- moved_facts: one row for each fact of remade_orders, as it was and as it will be, with what decides where it counts.
-- Source: mart.fct_product_service_orders, new_facts, batch_enterprises.
CREATE OR REPLACE TEMP TABLE moved_facts AS
WITH facts AS (
    SELECT facts.order_id, facts.enterprise_id, facts.service_id, facts.created_date, facts.canceled_date
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN remade_orders AS remade ON remade.order_id = facts.order_id AND remade.enterprise_id = facts.enterprise_id
    UNION ALL
    SELECT facts.order_id, facts.enterprise_id, facts.service_id, facts.created_date, facts.canceled_date
    FROM new_facts AS facts
    SEMI JOIN remade_orders AS remade ON remade.order_id = facts.order_id AND remade.enterprise_id = facts.enterprise_id
)

SELECT facts.*, batch.last_midnight_utc
FROM facts
INNER JOIN batch_enterprises AS batch ON batch.enterprise_id = facts.enterprise_id
WHERE batch.is_revised;
