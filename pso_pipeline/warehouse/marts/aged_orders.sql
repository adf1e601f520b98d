-- aged_orders: one row for each hotel of the batch, service and day of creation on which a firm order passed a whole day
-- of age, or went back behind it, because only the hotel's last midnight moved. No other order can change any count: maturity and
-- the cancellation curve both ask for whole days.
-- Source: mart.fct_product_service_orders, batch_enterprises.
--   is_maturity_changed  one of them passed 7, 30, 60 or 90 days, so the day's row of mart.agg_orders_daily changes too
CREATE OR REPLACE TEMP TABLE aged_orders AS
WITH ages AS (
    SELECT
        orders.enterprise_id,
        orders.service_id,
        orders.created_date,
        moved.last_midnight_utc,
        age_in_days(orders.created_at, moved.previous_midnight_utc) AS previous_age,
        age_in_days(orders.created_at, moved.last_midnight_utc) AS age
    FROM mart.fct_product_service_orders AS orders
    INNER JOIN batch_enterprises AS moved ON moved.enterprise_id = orders.enterprise_id
    WHERE orders.is_firm AND NOT moved.is_stale AND moved.last_midnight_utc IS DISTINCT FROM moved.previous_midnight_utc
)

SELECT
    enterprise_id,
    service_id,
    created_date,
    any_value(last_midnight_utc) AS last_midnight_utc,
    bool_or(
        (previous_age >= 7) <> (age >= 7)
        OR (previous_age >= 30) <> (age >= 30)
        OR (previous_age >= 60) <> (age >= 60)
        OR (previous_age >= 90) <> (age >= 90)
    ) AS is_maturity_changed
FROM ages
WHERE previous_age <> age
GROUP BY enterprise_id, service_id, created_date;
