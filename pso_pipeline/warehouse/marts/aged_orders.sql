-- aged_orders: one row for each hotel of the batch, service and day of creation on which a firm order passed a whole day
-- of age, or went back behind it, because only the watermark moved. No other order can change any count: maturity and
-- the cancellation curve both ask for whole days.
-- Source: mart.fct_product_service_orders, batch_enterprises.
--   is_maturity_changed  one of them passed 7, 30 or 90 days, so the day's row of mart.agg_orders_daily changes too
CREATE OR REPLACE TEMP TABLE aged_orders AS
WITH ages AS (
    SELECT
        orders.enterprise_id,
        orders.service_id,
        orders.created_date,
        moved.as_of_utc,
        age_in_days(orders.created_at, moved.previous_as_of_utc) AS previous_age,
        age_in_days(orders.created_at, moved.as_of_utc) AS age
    FROM mart.fct_product_service_orders AS orders
    INNER JOIN batch_enterprises AS moved ON moved.enterprise_id = orders.enterprise_id
    WHERE orders.is_firm AND NOT moved.is_stale AND moved.as_of_utc <> moved.previous_as_of_utc
)

SELECT
    enterprise_id,
    service_id,
    created_date,
    any_value(as_of_utc) AS as_of_utc,
    bool_or(
        (previous_age >= 7) <> (age >= 7) OR (previous_age >= 30) <> (age >= 30) OR (previous_age >= 90) <> (age >= 90)
    ) AS is_maturity_changed
FROM ages
WHERE previous_age <> age
GROUP BY enterprise_id, service_id, created_date;
