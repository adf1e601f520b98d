-- remade_orders: one row for each order of the batch whose facts are made anew although those of its hotel are not: it
-- changed, or it is a cancellation that may have become a rebooking, or is none any more, because an order of the same
-- account and service changed that was created at most 1 hour before or after it.
-- Source: mews.revised_orders, mews.product_service_orders, mart.fct_product_service_orders, batch_enterprises.
-- Reason for the enterprise_id beside each id: rows lie by hotel, and so only those of the batch are read.
CREATE OR REPLACE TEMP TABLE remade_orders AS
WITH changed AS (
    SELECT DISTINCT revised.id, services.enterprise_id
    FROM mews.revised_orders AS revised
    INNER JOIN mews.sync_state AS services ON services.service_id = revised.service_id
    INNER JOIN batch_enterprises AS batch ON batch.enterprise_id = services.enterprise_id
    WHERE batch.is_revised
),

as_they_are_and_were AS (
    SELECT
        orders.enterprise_id,
        orders.service_id,
        published_account_id(orders.account_id) AS account_id,
        orders.created_utc AS created_at
    FROM mews.product_service_orders AS orders
    SEMI JOIN changed ON changed.id = orders.id AND changed.enterprise_id = orders.enterprise_id
    UNION
    SELECT facts.enterprise_id, facts.service_id, facts.account_id, facts.created_at
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN changed ON changed.id = facts.order_id AND changed.enterprise_id = facts.enterprise_id
)

SELECT id AS order_id, enterprise_id FROM changed
UNION
SELECT facts.order_id, facts.enterprise_id
FROM mart.fct_product_service_orders AS facts
INNER JOIN as_they_are_and_were AS others
    ON
        others.account_id = facts.account_id
        AND others.service_id = facts.service_id
        AND others.enterprise_id = facts.enterprise_id
        AND facts.canceled_at BETWEEN others.created_at - INTERVAL 1 HOUR AND others.created_at + INTERVAL 1 HOUR;
