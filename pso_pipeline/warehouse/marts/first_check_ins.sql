-- first_check_ins: one row for each order of the batch that was seen before its check-in and after it.
-- Source: state_changes. An order whose first observation already showed the check-in has no row.
CREATE OR REPLACE TEMP TABLE first_check_ins AS
SELECT changes.order_id, arg_min(changes.observed_at, changes.version_number) AS first_seen_checked_in_at
FROM state_changes AS changes
INNER JOIN order_states AS states ON states.state = changes.to_state
WHERE states.is_checked_in
GROUP BY changes.order_id
HAVING min(changes.version_number) > 1;
