-- One row for each hotel and month of creation: orders, and the share canceled within 30 days among orders old enough.
SELECT
    hotels.enterprise_id,
    hotels.enterprise_name,
    CAST(date_trunc('month', daily.date) AS DATE) AS month,
    CAST(sum(daily.orders_created) AS BIGINT) AS orders,
    CAST(sum(daily.mature_firm_orders_30d) AS BIGINT) AS orders_old_enough,
    sum(daily.canceled_within_30d) / nullif(sum(daily.mature_firm_orders_30d), 0) AS cancellation_rate_30d
FROM {{ source('pso', 'agg_orders_daily') }} AS daily
JOIN {{ source('pso', 'dim_enterprises') }} AS hotels USING (enterprise_id)
WHERE hotels.is_in_scope AND hotels.as_of_utc IS NOT NULL
GROUP BY ALL
