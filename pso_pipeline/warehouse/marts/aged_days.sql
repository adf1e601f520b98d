-- aged_days: one row for each hotel and day of creation whose maturity counts are made anew. Source: aged_orders.
CREATE OR REPLACE TEMP TABLE aged_days AS
SELECT enterprise_id, created_date AS date, any_value(as_of_utc) AS as_of_utc
FROM aged_orders
WHERE is_maturity_changed
GROUP BY enterprise_id, created_date;
