-- checked_orders: one row for each order of the hotels that are counted now, and for those without a hotel, whose
-- enterprise_id is empty. Source: mews.product_service_orders, checked_enterprises.
-- Reason: DuckDB skips the rows of other hotels only if the join is on the bare column.
CREATE OR REPLACE TEMP VIEW checked_orders AS
SELECT orders.*
FROM mews.product_service_orders AS orders
SEMI JOIN checked_enterprises ON checked_enterprises.enterprise_id = orders.enterprise_id
UNION ALL
SELECT * REPLACE ('' AS enterprise_id)
FROM mews.product_service_orders
WHERE enterprise_id IS NULL;
