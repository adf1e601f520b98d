-- What the facts of single orders are made from: the same views as in hotels_at_hand.sql, of remade_orders alone.
CREATE OR REPLACE TEMP VIEW orders_at_hand AS
FROM mews.product_service_orders AS orders
SEMI JOIN remade_orders AS remade ON remade.order_id = orders.id;

CREATE OR REPLACE TEMP VIEW versions_at_hand AS
FROM mews.product_service_order_versions AS versions
SEMI JOIN remade_orders AS remade ON remade.order_id = versions.id;
