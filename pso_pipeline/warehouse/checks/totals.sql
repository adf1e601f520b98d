-- One row: what the check $check_name counts over all hotels, looked at now or earlier.
SELECT
    coalesce(sum(checked), 0)::BIGINT AS checked,
    coalesce(sum(violations), 0)::BIGINT AS violations,
    count(*) FILTER (WHERE enterprise_id <> '') AS hotels
FROM marts.internal.check_counts
WHERE check_name = $check_name;
