-- mart.dim_dates: one row for each day from the first to the last date of the facts, of all enterprises.
-- Source: mart.fct_product_service_orders, mart.fct_order_state_changes, mart.fct_order_items.
WITH used AS (
    SELECT min(created_date) AS first_date, max(created_date) AS last_date FROM mart.fct_product_service_orders
    UNION ALL
    SELECT min(canceled_date), max(canceled_date) FROM mart.fct_product_service_orders
    UNION ALL
    SELECT min(changed_date), max(changed_date) FROM mart.fct_order_state_changes
    UNION ALL
    SELECT
        least(min(created_date), min(consumed_date), min(canceled_date)),
        greatest(max(created_date), max(consumed_date), max(canceled_date))
    FROM mart.fct_order_items
),

days AS (
    SELECT CAST(unnest(generate_series(min(first_date), max(last_date), INTERVAL 1 DAY)) AS DATE) AS date
    FROM used
)

SELECT
    date,
    year(date) AS year,
    quarter(date) AS quarter,
    month(date) AS month,
    CAST(date_trunc('month', date) AS DATE) AS month_start,
    weekofyear(date) AS iso_week,
    CAST(date_trunc('week', date) AS DATE) AS iso_week_start,
    isodow(date) AS weekday,
    dayname(date) AS weekday_name,
    isodow(date) >= 6 AS is_weekend
FROM days
