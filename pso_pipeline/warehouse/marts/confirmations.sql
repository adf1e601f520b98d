-- confirmations: one row for each order of the batch that was observed to change its state, or first seen confirmed.
-- Source: state_changes, order_states.
--   was_confirmed               any observed version was firm and not canceled
--   was_canceled_while_pending  a pending version was followed by a canceled one, with no other between them
CREATE OR REPLACE TEMP TABLE confirmations AS
SELECT
    changes.order_id,
    bool_or(after_it.is_firm AND NOT after_it.is_canceled) AS was_confirmed,
    bool_or(before_it.state_group = 'pending' AND after_it.is_canceled) AS was_canceled_while_pending
FROM state_changes AS changes
LEFT JOIN order_states AS before_it ON before_it.state = changes.from_state
LEFT JOIN order_states AS after_it ON after_it.state = changes.to_state
GROUP BY changes.order_id;
