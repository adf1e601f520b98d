-- One row: all orders of the snapshot, and those of them that were created in the months on the page.
SELECT
    coalesce(sum(daily.orders_created), 0)::BIGINT AS orders,
    coalesce(sum(daily.orders_created) FILTER (months.month IS NOT NULL), 0)::BIGINT AS orders_shown
FROM mart.agg_orders_daily AS daily
LEFT JOIN months ON months.month = date_trunc('month', daily.date)
