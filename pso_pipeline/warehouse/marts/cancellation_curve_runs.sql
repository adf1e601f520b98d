-- internal.cancellation_curve_runs: one row for each hotel, service, local month of creation and run of days of age with
-- the same counts. Source: counted_orders, and of earlier derivations mart.fct_product_service_orders.
-- Reason: day by day the curve has up to 366 rows a month and service (150 million for 3,500 hotels with 5 million
-- orders); the runs are fewer than the orders, and mart.agg_cancellation_curve unfolds them when it is read.
-- An order of age a is at risk on the days 0 to a; one that was canceled within c days counts as canceled on the days
-- c to a. So each order is a step up, and a step down on the day after its age.
-- Reason: counted by the service's number in batch_services, a step takes less than half the memory of ids.
-- Made anew: everything of stale_enterprises, the months in recounted_cohorts.
DELETE FROM marts.internal.cancellation_curve_runs
WHERE enterprise_id IN (SELECT enterprise_id FROM stale_enterprises);

DELETE FROM marts.internal.cancellation_curve_runs AS stored
USING recounted_cohorts AS recounted
WHERE stored.service_id = recounted.service_id AND stored.cohort_month = recounted.cohort_month;

INSERT INTO marts.internal.cancellation_curve_runs BY NAME
WITH firm_orders AS (
    SELECT * FROM counted_orders WHERE is_firm
    UNION ALL BY NAME
    SELECT facts.*, services.service, recounted.last_midnight_utc
    FROM mart.fct_product_service_orders AS facts
    INNER JOIN batch_services AS services
        ON services.service_id = facts.service_id AND services.enterprise_id = facts.enterprise_id
    INNER JOIN recounted_cohorts AS recounted
        ON recounted.service_id = facts.service_id AND recounted.cohort_month = date_trunc('month', facts.created_date)
    WHERE facts.is_firm
),

ages AS (
    SELECT
        service,
        CAST(date_trunc('month', created_date) AS DATE) AS cohort_month,
        age_in_days(created_at, last_midnight_utc) AS age,
        CASE
            WHEN canceled_at <= created_at THEN 0
            WHEN canceled_at <= created_at + to_days(age)
                THEN datesub('day', created_at, canceled_at - INTERVAL 1 MICROSECOND) + 1
        END AS day_of_cancellation
    FROM firm_orders
),

counts AS (
    SELECT service, cohort_month, age, day_of_cancellation, count(*) AS orders
    FROM ages
    WHERE age >= 0
    GROUP BY service, cohort_month, age, day_of_cancellation
),

steps AS (
    SELECT service, cohort_month, 0 AS day, orders AS at_risk, 0 AS canceled
    FROM counts
    UNION ALL
    SELECT service, cohort_month, day_of_cancellation, 0, orders
    FROM counts
    WHERE day_of_cancellation IS NOT NULL
    UNION ALL
    SELECT
        service,
        cohort_month,
        age + 1,
        -orders,
        CASE WHEN day_of_cancellation IS NULL THEN 0 ELSE -orders END
    FROM counts
),

days AS (
    SELECT service, cohort_month, day, sum(at_risk) AS at_risk, sum(canceled) AS canceled
    FROM steps
    GROUP BY service, cohort_month, day
),

runs AS (
    SELECT
        service,
        cohort_month,
        day AS first_day,
        lead(day) OVER cohort - 1 AS last_day,
        sum(at_risk) OVER cohort AS orders_at_risk,
        sum(canceled) OVER cohort AS canceled_by_then
    FROM days
    WINDOW cohort AS (PARTITION BY service, cohort_month ORDER BY day)
    QUALIFY last_day IS NOT NULL
)

SELECT
    services.enterprise_id,
    services.service_id,
    runs.cohort_month,
    runs.first_day,
    runs.last_day,
    runs.orders_at_risk,
    runs.canceled_by_then
FROM runs
INNER JOIN batch_services AS services ON services.service = runs.service;
