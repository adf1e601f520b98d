-- mart.fct_order_state_changes: one row for each observed change of an order's state.
-- Source: state_changes, and of orders with one version landed_orders. Reason: the API tells only the state of now; how
-- orders moved is known from what was observed. Two statements and NOT IN, since DuckDB 1.5.5 inserts a union, or what an
-- anti join leaves, on one core.
-- Made anew: everything of stale_enterprises, and remade_orders.
DELETE FROM mart.fct_order_state_changes WHERE enterprise_id IN (SELECT enterprise_id FROM stale_enterprises);

DELETE FROM mart.fct_order_state_changes
WHERE
    order_id IN (SELECT order_id FROM remade_orders)
    AND enterprise_id IN (SELECT enterprise_id FROM batch_enterprises WHERE is_revised);

INSERT INTO mart.fct_order_state_changes BY NAME
SELECT
    changes.order_id,
    changes.enterprise_id,
    changes.service_id,
    changes.from_state,
    changes.to_state,
    changes.changed_at,
    local_date(changes.changed_at, offsets.time_zone, offsets.utc_offset) AS changed_date,
    changes.observed_at
FROM state_changes AS changes
LEFT JOIN utc_offsets AS offsets
    ON offsets.zone = changes.zone AND offsets.utc_date = CAST(changes.changed_at AS DATE);

INSERT INTO mart.fct_order_state_changes BY NAME
SELECT
    orders.order_id,
    orders.enterprise_id,
    orders.service_id,
    NULL AS from_state,
    orders.state AS to_state,
    orders.updated_at AS changed_at,
    local_date(orders.updated_at, offsets.time_zone, offsets.utc_offset) AS changed_date,
    orders.observed_at
FROM landed_orders AS orders
LEFT JOIN utc_offsets AS offsets
    ON offsets.zone = orders.zone AND offsets.utc_date = CAST(orders.updated_at AS DATE)
WHERE orders.order_id NOT IN (SELECT order_id FROM state_changes);
