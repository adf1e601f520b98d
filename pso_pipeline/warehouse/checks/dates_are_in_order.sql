-- counted: for each hotel its orders, and those whose times contradict each other: created, then canceled, then updated
-- last, none of them later than the reading by more than a day.
CREATE OR REPLACE TEMP TABLE counted AS
WITH dated AS (
    SELECT
        enterprise_id,
        updated_utc < created_utc AS is_updated_early,
        coalesce(cancelled_utc < created_utc, FALSE) AS is_canceled_early,
        coalesce(cancelled_utc > updated_utc, FALSE) AS is_canceled_late,
        greatest(created_utc, updated_utc) > fetched_utc + INTERVAL 1 DAY AS is_in_the_future
    FROM checked_records
    WHERE is_missing_from_source IS DISTINCT FROM TRUE
)

SELECT
    enterprise_id,
    count(*) AS checked,
    count(*) FILTER (WHERE is_updated_early OR is_canceled_early OR is_canceled_late OR is_in_the_future) AS violations,
    concat_ws(
        ', ',
        CASE WHEN bool_or(is_updated_early) THEN 'updated before created: ' || count_if(is_updated_early) END,
        CASE WHEN bool_or(is_canceled_early) THEN 'canceled before created: ' || count_if(is_canceled_early) END,
        CASE WHEN bool_or(is_canceled_late) THEN 'canceled after the last update: ' || count_if(is_canceled_late) END,
        CASE WHEN bool_or(is_in_the_future) THEN 'in the future: ' || count_if(is_in_the_future) END
    ) AS detail
FROM dated
GROUP BY enterprise_id;
