-- seen_days: one row for each day with any record among those of seen.sql, with its number. Days are counted from the first one on
-- which any record of the operation was read.
CREATE OR REPLACE TEMP TABLE seen_days AS
WITH stored AS (
    SELECT coalesce(max(last_day), 0) AS last_day, max(CAST(last_seen_utc AS DATE)) AS last_date
    FROM mews.seen_schema
    WHERE operation = $operation
)

SELECT
    days.day,
    stored.last_day + count(*) FILTER (WHERE stored.last_date IS NULL OR days.day > stored.last_date) OVER (
        ORDER BY days.day
    ) AS number
FROM (SELECT DISTINCT unnest(days) AS day FROM seen) AS days
CROSS JOIN stored;
