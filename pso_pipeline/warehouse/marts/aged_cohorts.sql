-- aged_cohorts: one row for each service and month of creation whose cancellation curve is made anew. Source: aged_orders.
CREATE OR REPLACE TEMP TABLE aged_cohorts AS
SELECT service_id, CAST(date_trunc('month', created_date) AS DATE) AS cohort_month, any_value(as_of_utc) AS as_of_utc
FROM aged_orders
GROUP BY service_id, date_trunc('month', created_date);
