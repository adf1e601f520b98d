-- mart.ops_schema_changes: one row for each field or value that was added or is missing now. Source: mews.seen_schema; documented,
-- with one row for each documented operation, field and value.
-- Reason for days on which records were read: a pause of the pipeline must not look like a field that stopped.
SELECT
    seen.operation,
    seen.field,
    seen.value,
    CASE WHEN is_missing THEN 'stopped' ELSE 'added' END AS change,
    seen.first_seen_utc AS first_seen_at,
    seen.last_seen_utc AS last_seen_at
FROM (
    SELECT
        *,
        max(last_day) OVER (PARTITION BY operation) - last_day >= 28
        AND days_seen >= 14
        AND 2 * days_seen >= last_day - first_day + 1 AS is_missing
    FROM mews.seen_schema
) AS seen
LEFT JOIN documented
    ON
        documented.operation = seen.operation
        AND documented.field = seen.field
        AND documented.value IS NOT DISTINCT FROM seen.value
WHERE seen.is_missing OR documented.operation IS NULL
