-- One row for each service: how many of its orders are new, how many change, and of how many an older version was read.
SELECT
    service_id,
    max(enterprise_id),
    count(*) FILTER (WHERE is_current AND NOT is_known) AS created,
    count(*) FILTER (WHERE is_current AND is_known AND (NOT is_held OR is_missing_from_source)) AS changed,
    count(*) FILTER (WHERE NOT is_current AND NOT is_held) AS late,
    bool_or(is_tied) AS is_tied
FROM weighed
WHERE is_current OR NOT is_held
GROUP BY service_id;
