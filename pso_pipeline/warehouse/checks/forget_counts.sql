-- Takes from marts.internal.check_counts what the check $check_name counted before in the hotels that are looked at now, and
-- in hotels that are no more.
DELETE FROM marts.internal.check_counts
WHERE
    check_name = $check_name
    AND (
        enterprise_id IN (SELECT enterprise_id FROM checked_enterprises)
        OR enterprise_id NOT IN (SELECT enterprise_id FROM check_inputs)
    );
