-- One row for each of the $most_of_hotel most remarkable changes of a hotel that the page lists, in their order, with the
-- weekly counts of what changed, oldest week first. Source: the Parquet file of mart.agg_changes by bi/changes.py, mart.agg_orders_daily.
WITH changes AS MATERIALIZED (
    SELECT *, row_number() OVER () AS place FROM ({changes})
),

weeks AS (
    SELECT changes.place, weeks_ago FROM changes CROSS JOIN range($weeks) AS weeks (weeks_ago)
),

counts AS (
    SELECT
        changes.place,
        datediff('day', daily.date, changes.to_date) // 7 AS weeks_ago,
        sum(CASE changes.kind WHEN 'orders' THEN daily.orders_created ELSE daily.cancellations END)::BIGINT AS number
    FROM changes
    INNER JOIN mart.agg_orders_daily AS daily
        ON
            daily.enterprise_id = changes.enterprise_id
            AND daily.date BETWEEN changes.to_date - (7 * $weeks - 1)::INTEGER AND changes.to_date
            AND (changes.level NOT IN ('service', 'service_origin') OR daily.service_id = changes.service_id)
            AND (changes.level NOT IN ('origin', 'service_origin') OR daily.origin IS NOT DISTINCT FROM changes.origin)
    GROUP BY ALL
),

numbers AS (
    SELECT weeks.place, list(coalesce(counts.number, 0) ORDER BY weeks.weeks_ago DESC) AS numbers
    FROM weeks
    LEFT JOIN counts ON counts.place = weeks.place AND counts.weeks_ago = weeks.weeks_ago
    GROUP BY weeks.place
)

SELECT
    left(coalesce(known.enterprise_name, changes.enterprise_id), 200) AS subject,
    changes.sentence,
    hotels.position AS hotel,
    services.position AS service,
    origins.position AS origin,
    changes.window_days,
    changes.kind,
    CASE changes.kind
        WHEN 'rate' THEN changes.expected_cancellations
        WHEN 'orders' THEN changes.compared_orders
        ELSE changes.compared_cancellations
    END * 7 / changes.window_days AS usual_of_week,
    changes.is_beyond_chance,
    numbers.numbers AS weeks
FROM changes
INNER JOIN numbers ON numbers.place = changes.place
INNER JOIN mart.dim_enterprises AS known ON known.enterprise_id = changes.enterprise_id
INNER JOIN hotels ON hotels.enterprise_id = changes.enterprise_id AND hotels.is_listed AND hotels.is_counted
LEFT JOIN services ON services.service_id = changes.service_id
LEFT JOIN origin_values AS origins
    ON changes.level IN ('origin', 'service_origin') AND origins.value IS NOT DISTINCT FROM changes.origin
ORDER BY changes.place
