-- One row for each service: how many of its orders are new, and how many change.
SELECT
    service_id,
    max(enterprise_id),
    count(*) FILTER (WHERE NOT is_known) AS created,
    count(*) FILTER (WHERE is_known AND (NOT is_held OR is_missing_from_source)) AS changed,
    bool_or(is_tied) AS is_tied
FROM weighed
WHERE is_current
GROUP BY service_id;
