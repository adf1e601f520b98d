-- The seven latest days of each of the enterprises $enterprise_ids over all services and origins, for a preview.
-- Source: mart.agg_orders_daily. Reason: the days of all 500 hotels with their counts take more memory than DuckDB may hold.
WITH days AS (
    SELECT DISTINCT enterprise_id, date
    FROM mart.agg_orders_daily
    WHERE enterprise_id IN (SELECT unnest($enterprise_ids::VARCHAR[]))
),

latest AS (
    SELECT enterprise_id, list_min(max(date, 7)) AS since
    FROM days
    GROUP BY enterprise_id
)

SELECT
    daily.enterprise_id,
    daily.date,
    sum(daily.orders_created)::BIGINT AS orders_created,
    sum(daily.firm_orders)::BIGINT AS firm_orders,
    sum(daily.checked_in_orders)::BIGINT AS checked_in_orders,
    sum(daily.canceled_orders)::BIGINT AS canceled_orders,
    sum(daily.cancellations)::BIGINT AS cancellations
FROM mart.agg_orders_daily AS daily
INNER JOIN latest ON latest.enterprise_id = daily.enterprise_id AND daily.date >= latest.since
GROUP BY daily.enterprise_id, daily.date
ORDER BY daily.enterprise_id, daily.date DESC;
