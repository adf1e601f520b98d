-- mart.fct_order_state_changes: one row for each observed change of an order's state.
-- Source: changed_states, first_sights. Reason: the API tells only the state of now; how orders moved is known from what
-- was observed. Two statements, since DuckDB 1.5.5 inserts a union on one core.
-- Made anew: everything of stale_enterprises, and of remade_orders what is not in kept_changes.
DELETE FROM mart.fct_order_state_changes WHERE enterprise_id IN (SELECT enterprise_id FROM stale_enterprises);

DELETE FROM mart.fct_order_state_changes AS stored
WHERE
    stored.order_id IN (SELECT order_id FROM remade_orders)
    AND stored.enterprise_id IN (SELECT enterprise_id FROM batch_enterprises WHERE is_revised)
    AND NOT EXISTS (
        SELECT 1
        FROM kept_changes AS kept
        WHERE
            kept.order_id = stored.order_id
            AND kept.to_state IS NOT DISTINCT FROM stored.to_state
            AND kept.changed_at IS NOT DISTINCT FROM stored.changed_at
            AND kept.observed_at IS NOT DISTINCT FROM stored.observed_at
    );

INSERT INTO mart.fct_order_state_changes BY NAME
SELECT made.*
FROM changed_states AS made
ANTI JOIN kept_changes AS kept
    ON
        kept.order_id = made.order_id
        AND kept.to_state IS NOT DISTINCT FROM made.to_state
        AND kept.changed_at IS NOT DISTINCT FROM made.changed_at
        AND kept.observed_at IS NOT DISTINCT FROM made.observed_at;

INSERT INTO mart.fct_order_state_changes BY NAME
SELECT * FROM first_sights WHERE order_id NOT IN (SELECT order_id FROM kept_changes);
