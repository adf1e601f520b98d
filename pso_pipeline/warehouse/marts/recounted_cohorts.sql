-- recounted_cohorts: one row for each service and month of creation whose cancellation curve is made anew although its other
-- months stand: an order of it grew a day older, or changed. Source: aged_orders, moved_facts.
CREATE OR REPLACE TEMP TABLE recounted_cohorts AS
SELECT service_id, CAST(date_trunc('month', created_date) AS DATE) AS cohort_month, last_midnight_utc FROM aged_orders
UNION
SELECT service_id, CAST(date_trunc('month', created_date) AS DATE), last_midnight_utc FROM moved_facts;
