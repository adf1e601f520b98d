-- mart.agg_cancellation_curve: one row for each hotel, service, local month of creation and day of age from 0 to 365, as
-- long as any firm order has been observed for that many days. Source: internal.cancellation_curve_runs.
CREATE OR REPLACE VIEW mart.agg_cancellation_curve AS
SELECT
    enterprise_id,
    service_id,
    cohort_month,
    CAST(unnest(range(first_day, last_day + 1)) AS INTEGER) AS days_since_creation,
    orders_at_risk,
    canceled_by_then
FROM internal.cancellation_curve_runs;
