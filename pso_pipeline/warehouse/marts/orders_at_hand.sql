-- What the facts of single orders are made from: the same views as in hotels_at_hand.sql, of revised_orders alone.
CREATE OR REPLACE TEMP VIEW orders_at_hand AS
FROM mews.product_service_orders AS orders
SEMI JOIN revised_orders AS revised ON revised.order_id = orders.id;

CREATE OR REPLACE TEMP VIEW versions_at_hand AS
FROM mews.product_service_order_versions AS versions
SEMI JOIN revised_orders AS revised ON revised.order_id = versions.id;
