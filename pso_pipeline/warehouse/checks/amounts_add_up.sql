-- counted: for each hotel its order items, and those whose amount is not that of a unit times the number of units.
-- Each unit may be rounded, to a hundredth or, where all amounts are whole as in yen, to a whole.
CREATE OR REPLACE TEMP TABLE counted AS
WITH compared AS (
    SELECT
        enterprise_id,
        id,
        greatest(
            abs(net_value::DECIMAL(38, 4) - unit_net_value::DECIMAL(38, 4) * unit_count),
            abs(gross_value::DECIMAL(38, 4) - unit_gross_value::DECIMAL(38, 4) * unit_count)
        ) AS difference,
        greatest(abs(unit_count), 1) * CASE
            WHEN [net_value % 1, gross_value % 1, unit_net_value % 1, unit_gross_value % 1] = [0, 0, 0, 0] THEN 1
            ELSE 0.01
        END AS rounding
    FROM checked_records
    WHERE is_missing_from_source IS DISTINCT FROM TRUE
)

SELECT
    enterprise_id,
    count(*) AS checked,
    count(*) FILTER (WHERE difference > rounding) AS violations,
    'for example ' || min(CASE WHEN difference > rounding THEN id END) AS detail
FROM compared
GROUP BY enterprise_id;
