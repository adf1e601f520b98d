-- counted: for each hotel its orders; all of them are violations if its time zone is unknown, since UTC dates them.
CREATE OR REPLACE TEMP TABLE counted AS
SELECT
    orders.enterprise_id,
    count(*) AS checked,
    count(*) FILTER (WHERE NOT inputs.is_time_zone_known) AS violations,
    any_value(
        CASE
            WHEN inputs.time_zone_identifier IS NULL THEN 'it has no time zone'
            WHEN NOT inputs.is_time_zone_known THEN 'time zone ' || left(inputs.time_zone_identifier, 60)
        END
    ) AS detail
FROM checked_records AS orders
INNER JOIN enterprise_inputs AS inputs ON inputs.enterprise_id = orders.enterprise_id
WHERE orders.is_missing_from_source IS DISTINCT FROM TRUE
GROUP BY orders.enterprise_id;
