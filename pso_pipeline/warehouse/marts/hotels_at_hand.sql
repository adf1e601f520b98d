-- What the facts of whole hotels are made from.
-- orders_at_hand, versions_at_hand: orders and versions among which those of the batch are.
CREATE OR REPLACE TEMP VIEW orders_at_hand AS FROM mews.product_service_orders;

CREATE OR REPLACE TEMP VIEW versions_at_hand AS FROM mews.product_service_order_versions;
