-- seen: one row for each field, and each value of a field with documented values, of the records of an endpoint that were read
-- since $since: the first and last time, and the days. A template: {{table}} has the records, {{seen}} says when one was read,
-- {{fields}} are structs with the times of each column, {{nested}} lists the fields of unmapped objects, {{values}} selects
-- those of each column with documented values.
CREATE OR REPLACE TEMP TABLE seen AS
WITH records AS (
    SELECT *, {{seen}} AS seen_utc FROM {{table}} WHERE {{seen}} > $since::TIMESTAMP
),

found AS (
    SELECT field, NULL AS value, first_utc, last_utc, day
    FROM (
        SELECT CAST(seen_utc AS DATE) AS day, unnest([{{fields}}], recursive := true) FROM records GROUP BY day
    )
    UNION ALL
    SELECT field, NULL, min(seen_utc), max(seen_utc), CAST(seen_utc AS DATE)
    FROM (SELECT seen_utc, unnest({{nested}}) AS field FROM records WHERE extra IS NOT NULL)
    GROUP BY field, CAST(seen_utc AS DATE)
    UNION ALL
    {{values}}
)

SELECT field, left(value, 100) AS value, min(first_utc) AS first_utc, max(last_utc) AS last_utc, list(DISTINCT day) AS days
FROM found
WHERE first_utc IS NOT NULL
GROUP BY field, left(value, 100);
