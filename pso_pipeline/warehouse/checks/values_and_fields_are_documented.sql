-- counted: for each hotel its records, and those with a value or a field that the API's documentation did not name when
-- this package was written, or without a value that it promises.
-- A template: {{judged}} are the columns that are judged, {{found}} the texts that name what is wrong with them, or null,
-- {{unmapped}} the fields that are documented and have no column.
CREATE OR REPLACE TEMP TABLE counted AS
WITH kinds AS (
    SELECT
        enterprise_id,
        {{judged}},
        json_keys(extra) AS fields,
        count(*) AS records
    FROM checked_records
    WHERE is_missing_from_source IS DISTINCT FROM TRUE
    GROUP BY ALL
),

odd_kinds AS (
    SELECT
        enterprise_id,
        records,
        list_concat(
            list_filter([{{found}}], lambda what: what IS NOT NULL),
            list_transform(
                list_filter(fields, lambda field: NOT list_contains([{{unmapped}}]::VARCHAR[], field)),
                lambda field: 'field ' || field
            )
        ) AS found
    FROM kinds
),

named AS (
    SELECT enterprise_id, string_agg(what || ': ' || records, ', ' ORDER BY records DESC, what) AS detail
    FROM (
        SELECT enterprise_id, what, sum(records)::BIGINT AS records
        FROM (SELECT enterprise_id, records, unnest(found) AS what FROM odd_kinds)
        GROUP BY enterprise_id, what
    )
    GROUP BY enterprise_id
)

SELECT
    odd_kinds.enterprise_id,
    sum(odd_kinds.records)::BIGINT AS checked,
    coalesce(sum(odd_kinds.records) FILTER (WHERE len(odd_kinds.found) > 0), 0)::BIGINT AS violations,
    any_value(named.detail) AS detail
FROM odd_kinds
LEFT JOIN named ON named.enterprise_id = odd_kinds.enterprise_id
GROUP BY odd_kinds.enterprise_id;
