-- orders_at_hand: orders among which those of the batch are. Source: mews.product_service_orders.
-- Reason: of whole hotels so many that reading the warehouse for each table costs less than keeping what was read.
CREATE OR REPLACE TEMP VIEW orders_at_hand AS FROM mews.product_service_orders;
