-- One row: how many rows each table and view of the marts has.
-- Views are counted by what they unfold: reading a curve of 20 million rows to count them takes half a second. Not
-- mart.agg_changes and mart.agg_pickup, which have to be computed to be counted.
SELECT
    (SELECT count(*) FROM mart.dim_enterprises) AS dim_enterprises,
    (SELECT count(*) FROM mart.dim_services) AS dim_services,
    (SELECT count(*) FROM mart.dim_dates) AS dim_dates,
    (SELECT count(*) FROM mart.fct_product_service_orders) AS fct_product_service_orders,
    (SELECT count(*) FROM mart.fct_order_state_changes) AS fct_order_state_changes,
    (SELECT count(*) FROM mart.agg_orders_daily) AS agg_orders_daily,
    (SELECT coalesce(sum(last_day - first_day + 1), 0) FROM internal.cancellation_curve_runs)
        AS agg_cancellation_curve,
    (SELECT count(*) FROM mart.fct_product_service_orders) AS rpt_orders,
    (SELECT count(*) FROM mart.dim_products) AS dim_products,
    (SELECT count(*) FROM mart.fct_order_items) AS fct_order_items,
    (SELECT count(*) FROM mart.agg_item_revenue_daily) AS agg_item_revenue_daily,
    (SELECT count(*) FROM mart.agg_consumption_ahead) AS agg_consumption_ahead;
