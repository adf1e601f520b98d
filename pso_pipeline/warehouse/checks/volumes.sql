-- One row for each hotel in scope with 9 weeks of history: orders created in its last 7 complete days, and the usual number.
-- Source: mart.agg_orders_daily, mart.dim_enterprises. Days are the hotel's own; the day of its as_of_utc is not complete.
--   usual   median of the 8 weeks before
--   spread  the usual distance from it: that of chance (the root of a count), or that of these weeks
WITH hotels AS (
    SELECT
        enterprise_id,
        partition_key,
        CAST(timezone(time_zone, timezone('UTC', as_of_utc)) AS DATE) - 1 AS last_day
    FROM mart.dim_enterprises
    WHERE is_in_scope AND as_of_utc IS NOT NULL
),

weeks AS (
    SELECT
        hotels.enterprise_id,
        hotels.partition_key,
        hotels.last_day,
        weeks.week,
        coalesce(sum(daily.orders_created), 0) AS orders
    FROM hotels
    CROSS JOIN range(9) AS weeks (week)
    LEFT JOIN mart.agg_orders_daily AS daily
        ON daily.enterprise_id = hotels.enterprise_id
        AND daily.date BETWEEN hotels.last_day - 7 * weeks.week::INTEGER - 6 AND hotels.last_day - 7 * weeks.week::INTEGER
    GROUP BY hotels.enterprise_id, hotels.partition_key, hotels.last_day, weeks.week
),

first_days AS (
    SELECT enterprise_id, min(date) AS first_day FROM mart.agg_orders_daily WHERE orders_created > 0 GROUP BY enterprise_id
)

SELECT
    weeks.enterprise_id,
    weeks.partition_key,
    weeks.last_day,
    max(weeks.orders) FILTER (WHERE weeks.week = 0)::BIGINT AS orders,
    median(weeks.orders) FILTER (WHERE weeks.week > 0)::DOUBLE AS usual,
    greatest(sqrt(usual), 1.4826 * mad(weeks.orders) FILTER (WHERE weeks.week > 0))::DOUBLE AS spread
FROM weeks
INNER JOIN first_days
    ON first_days.enterprise_id = weeks.enterprise_id AND first_days.first_day <= weeks.last_day - 62
GROUP BY weeks.enterprise_id, weeks.partition_key, weeks.last_day
ORDER BY weeks.partition_key;
