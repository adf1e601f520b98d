-- internal.cancellation_curve_runs: one row for each hotel, service, local month of creation and run of days of age with the same
-- counts; computed for affected_cohorts. Source: counted_facts.
-- Reason: day by day the curve has up to 366 rows for each month and service; the runs are fewer than the orders, and
-- mart.agg_cancellation_curve unfolds them when it is read.
-- An order of age a is at risk on the days 0 to a; one that was canceled within c days counts as canceled on the days
-- c to a. So each order is a step up, and a step down on the day after its age.
WITH firm_orders AS (
    SELECT facts.*, cohorts.cohort_month, cohorts.last_midnight_utc
    FROM counted_facts AS facts
    INNER JOIN affected_cohorts AS cohorts
        ON
            cohorts.service_id = facts.service_id
            AND cohorts.enterprise_id = facts.enterprise_id
            AND cohorts.cohort_month = date_trunc('month', facts.created_date)
    WHERE facts.is_firm
),

ages AS (
    SELECT
        enterprise_id,
        service_id,
        cohort_month,
        age_in_days(created_at, last_midnight_utc) AS age,
        CASE
            WHEN canceled_at <= created_at THEN 0
            WHEN canceled_at <= created_at + to_days(age)
                THEN datesub('day', created_at, canceled_at - INTERVAL 1 MICROSECOND) + 1
        END AS day_of_cancellation
    FROM firm_orders
),

counts AS (
    SELECT enterprise_id, service_id, cohort_month, age, day_of_cancellation, count(*) AS orders
    FROM ages
    WHERE age >= 0
    GROUP BY enterprise_id, service_id, cohort_month, age, day_of_cancellation
),

steps AS (
    SELECT enterprise_id, service_id, cohort_month, 0 AS day, orders AS at_risk, 0 AS canceled
    FROM counts
    UNION ALL
    SELECT enterprise_id, service_id, cohort_month, day_of_cancellation, 0, orders
    FROM counts
    WHERE day_of_cancellation IS NOT NULL
    UNION ALL
    SELECT
        enterprise_id,
        service_id,
        cohort_month,
        age + 1,
        -orders,
        CASE WHEN day_of_cancellation IS NULL THEN 0 ELSE -orders END
    FROM counts
),

days AS (
    SELECT enterprise_id, service_id, cohort_month, day, sum(at_risk) AS at_risk, sum(canceled) AS canceled
    FROM steps
    GROUP BY enterprise_id, service_id, cohort_month, day
),

runs AS (
    SELECT
        enterprise_id,
        service_id,
        cohort_month,
        day AS first_day,
        lead(day) OVER cohort - 1 AS last_day,
        sum(at_risk) OVER cohort AS orders_at_risk,
        sum(canceled) OVER cohort AS canceled_by_then
    FROM days
    WINDOW cohort AS (PARTITION BY enterprise_id, service_id, cohort_month ORDER BY day)
    QUALIFY last_day IS NOT NULL
)

SELECT enterprise_id, service_id, cohort_month, first_day, last_day, orders_at_risk, canceled_by_then
FROM runs
