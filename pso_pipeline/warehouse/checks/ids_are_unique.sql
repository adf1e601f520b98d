-- counted: for each hotel its records, and those whose id another row has too, in the same hotel or in another one.
-- A template: {{table}} is the table of the endpoint's records.
CREATE OR REPLACE TEMP TABLE counted AS
WITH repeated AS (
    SELECT records.id
    FROM {{table}} AS records
    SEMI JOIN checked_records ON checked_records.id = records.id
    GROUP BY records.id
    HAVING count(*) > 1
)

SELECT
    checked_records.enterprise_id,
    count(*) AS checked,
    count(repeated.id) AS violations,
    'for example ' || min(repeated.id) AS detail
FROM checked_records
LEFT JOIN repeated ON repeated.id = checked_records.id
GROUP BY checked_records.enterprise_id;
