-- The ten latest days of the enterprises $enterprise_ids over all services and origins, for a preview.
-- Source: mart.agg_orders_daily.
SELECT
    daily.date,
    sum(daily.orders_created) AS orders_created,
    sum(daily.firm_orders) AS firm_orders,
    sum(daily.checked_in_orders) AS checked_in_orders,
    sum(daily.canceled_orders) AS canceled_orders,
    sum(daily.cancellations) AS cancellations
FROM mart.agg_orders_daily AS daily
WHERE daily.enterprise_id IN (SELECT unnest($enterprise_ids::VARCHAR[]))
GROUP BY daily.date
ORDER BY daily.date DESC
LIMIT 10;
