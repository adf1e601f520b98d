-- Deletes from internal.check_counts the counts of the check $check_name in the hotels that are counted now, and in
-- hotels that no longer exist.
DELETE FROM internal.check_counts
WHERE
    check_name = $check_name
    AND (
        enterprise_id IN (SELECT enterprise_id FROM checked_enterprises)
        OR enterprise_id NOT IN (SELECT enterprise_id FROM check_inputs)
    );
