-- counted: for each hotel its canceled orders, and those without the time of their cancellation.
CREATE OR REPLACE TEMP TABLE counted AS
SELECT
    enterprise_id,
    count(*) AS checked,
    count(*) FILTER (WHERE cancelled_utc IS NULL) AS violations,
    'for example ' || min(CASE WHEN cancelled_utc IS NULL THEN id END) AS detail
FROM checked_records
WHERE state = $canceled AND is_missing_from_source IS DISTINCT FROM TRUE
GROUP BY enterprise_id;
