-- The ten latest days of each of the enterprises $enterprise_ids over all services and origins, for a preview.
-- Source: mart.agg_orders_daily.
SELECT
    daily.enterprise_id,
    daily.date,
    sum(daily.orders_created)::BIGINT AS orders_created,
    sum(daily.firm_orders)::BIGINT AS firm_orders,
    sum(daily.checked_in_orders)::BIGINT AS checked_in_orders,
    sum(daily.canceled_orders)::BIGINT AS canceled_orders,
    sum(daily.cancellations)::BIGINT AS cancellations
FROM mart.agg_orders_daily AS daily
WHERE daily.enterprise_id IN (SELECT unnest($enterprise_ids::VARCHAR[]))
GROUP BY daily.enterprise_id, daily.date
QUALIFY row_number() OVER (PARTITION BY daily.enterprise_id ORDER BY daily.date DESC) <= 10
ORDER BY daily.enterprise_id, daily.date DESC;
