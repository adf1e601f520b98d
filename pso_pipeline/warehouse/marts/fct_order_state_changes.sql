-- mart.fct_order_state_changes: one row for each observed change of an order's state; computed for the affected orders.
-- Source: state_changes, landed_orders, utc_offsets. Reason: the API returns only the current state; how orders moved is
-- known from what was observed.
WITH changes AS (
    SELECT order_id, enterprise_id, service_id, zone, from_state, to_state, changed_at, observed_at
    FROM state_changes
    UNION ALL
    SELECT order_id, enterprise_id, service_id, zone, NULL, state, updated_at, observed_at
    FROM landed_orders
    WHERE order_id NOT IN (SELECT order_id FROM state_changes)
)

SELECT
    changes.order_id,
    changes.enterprise_id,
    changes.service_id,
    changes.from_state,
    changes.to_state,
    changes.changed_at,
    local_date(changes.changed_at, offsets.time_zone, offsets.utc_offset) AS changed_date,
    changes.observed_at,
    local_date(changes.observed_at, observation.time_zone, observation.utc_offset) AS observed_date
FROM changes
LEFT JOIN utc_offsets AS offsets
    ON offsets.zone = changes.zone AND offsets.utc_date = CAST(changes.changed_at AS DATE)
LEFT JOIN utc_offsets AS observation
    ON observation.zone = changes.zone AND observation.utc_date = CAST(changes.observed_at AS DATE)
