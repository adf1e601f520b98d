-- new_seen: the rows of mews.seen_schema that the records of seen.sql add or change. A row changes once a day; that of the id,
-- which every record has, says up to when records have been looked at.
CREATE OR REPLACE TEMP TABLE new_seen AS
SELECT
    $operation AS operation,
    seen.field,
    seen.value,
    least(seen.first_utc, stored.first_seen_utc) AS first_seen_utc,
    greatest(seen.last_utc, stored.last_seen_utc) AS last_seen_utc,
    coalesce(stored.days_seen, 0)
    + len(
        list_filter(
            seen.days, lambda day: stored.last_seen_utc IS NULL OR day > CAST(stored.last_seen_utc AS DATE)
        )
    ) AS days_seen,
    coalesce(stored.first_day, first_days.number) AS first_day,
    greatest(last_days.number, stored.last_day) AS last_day
FROM seen
LEFT JOIN mews.seen_schema AS stored
    ON
        stored.operation = $operation
        AND stored.field = seen.field
        AND stored.value IS NOT DISTINCT FROM seen.value
LEFT JOIN seen_days AS first_days ON first_days.day = CAST(seen.first_utc AS DATE)
LEFT JOIN seen_days AS last_days ON last_days.day = CAST(seen.last_utc AS DATE)
WHERE
    stored.operation IS NULL
    OR CAST(seen.last_utc AS DATE) > CAST(stored.last_seen_utc AS DATE)
    OR (seen.field = 'Id' AND seen.last_utc > stored.last_seen_utc);
