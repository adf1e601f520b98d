-- The model has as many orders as the snapshot has for the hotels in it.
WITH
ours AS (SELECT sum(orders) AS orders FROM {{ ref('hotel_months') }}),
theirs AS (
    SELECT sum(orders_created) AS orders
    FROM {{ source('pso', 'agg_orders_daily') }}
    JOIN {{ source('pso', 'dim_enterprises') }} USING (enterprise_id)
    WHERE is_in_scope AND as_of_utc IS NOT NULL
)
SELECT * FROM ours, theirs WHERE ours.orders IS DISTINCT FROM theirs.orders
