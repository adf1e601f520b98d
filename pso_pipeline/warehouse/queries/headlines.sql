-- One row for each of the enterprises $enterprise_ids, with its counts in all. Source: mart.agg_orders_daily.
SELECT
    requested.enterprise_id,
    requested.as_of_utc,
    coalesce(sum(daily.orders_created), 0) AS orders_created,
    coalesce(sum(daily.firm_orders), 0) AS firm_orders,
    coalesce(sum(daily.checked_in_orders), 0) AS checked_in_orders,
    coalesce(sum(daily.canceled_orders), 0) AS canceled_orders,
    coalesce(sum(daily.mature_firm_orders_30d), 0) AS mature_firm_orders_30d,
    coalesce(sum(daily.canceled_within_30d), 0) AS canceled_within_30d,
    count(daily.date) AS metrics_rows
FROM requested_enterprises AS requested
LEFT JOIN mart.agg_orders_daily AS daily ON daily.enterprise_id = requested.enterprise_id
WHERE requested.enterprise_id IN (SELECT unnest($enterprise_ids::VARCHAR[]))
GROUP BY requested.enterprise_id, requested.as_of_utc
ORDER BY requested.enterprise_id;
