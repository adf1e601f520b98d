-- first_sights: one row for each order of the batch that has had one version, with the columns of
-- mart.fct_order_state_changes. Source: landed_orders, utc_offsets, state_changes.
-- Reason for NOT IN: what an anti join leaves, DuckDB 1.5.5 inserts on one core.
CREATE OR REPLACE TEMP VIEW first_sights AS
SELECT
    orders.order_id,
    orders.enterprise_id,
    orders.service_id,
    NULL::VARCHAR AS from_state,
    orders.state AS to_state,
    orders.updated_at AS changed_at,
    local_date(orders.updated_at, offsets.time_zone, offsets.utc_offset) AS changed_date,
    orders.observed_at
FROM landed_orders AS orders
LEFT JOIN utc_offsets AS offsets
    ON offsets.zone = orders.zone AND offsets.utc_date = CAST(orders.updated_at AS DATE)
WHERE orders.order_id NOT IN (SELECT order_id FROM state_changes);
