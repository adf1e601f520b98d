-- orders_at_hand: the orders of remade_orders. Source: mews.product_service_orders.
-- Reason: few among many, looked for once.
CREATE OR REPLACE TEMP TABLE changed_orders AS
FROM mews.product_service_orders AS orders
SEMI JOIN remade_orders AS remade ON remade.order_id = orders.id AND remade.enterprise_id = orders.enterprise_id;

CREATE OR REPLACE TEMP VIEW orders_at_hand AS FROM changed_orders;
