-- One row: all orders of the hotels that are counted, those of them that were created in the months on the page, and the
-- orders of the other hotels.
SELECT
    coalesce(sum(daily.orders_created) FILTER (hotels.is_counted), 0)::BIGINT AS orders,
    coalesce(sum(daily.orders_created) FILTER (hotels.is_counted AND months.month IS NOT NULL), 0)::BIGINT AS orders_shown,
    coalesce(sum(daily.orders_created) FILTER (NOT hotels.is_counted), 0)::BIGINT AS orders_not_counted
FROM mart.agg_orders_daily AS daily
INNER JOIN hotels ON hotels.enterprise_id = daily.enterprise_id
LEFT JOIN months ON months.month = date_trunc('month', daily.date)
