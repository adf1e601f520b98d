-- A rate is a share, and known only if an order is old enough.
SELECT * FROM {{ ref('hotel_months') }}
WHERE cancellation_rate_30d NOT BETWEEN 0 AND 1 OR (cancellation_rate_30d IS NULL) <> (orders_old_enough = 0)
