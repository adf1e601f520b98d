-- One row: the counts of the check $check_name over all hotels.
SELECT
    coalesce(sum(checked), 0)::BIGINT AS checked,
    coalesce(sum(violations), 0)::BIGINT AS violations,
    count(*) FILTER (WHERE enterprise_id <> '') AS hotels
FROM internal.check_counts
WHERE check_name = $check_name;
