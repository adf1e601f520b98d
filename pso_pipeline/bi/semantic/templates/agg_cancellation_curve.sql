-- mart.agg_cancellation_curve of the hotels that totals count, with a row for each cohort (hotel, service and month of
-- creation) at each age, also at ages that no order has reached. So sum(orders_at_risk) is sum(cohort_firm_orders)
-- exactly where every order has been observed that long.
WITH
cohorts AS (
    SELECT
        enterprise_id, service_id, CAST(date_trunc('month', date) AS DATE) AS cohort_month,
        CAST(sum(firm_orders) AS BIGINT) AS cohort_firm_orders
    FROM {{ source('pso_bi', 'agg_orders_daily') }}
    WHERE enterprise_id IN (
        SELECT enterprise_id FROM {{ source('pso_bi', 'dim_enterprises') }} WHERE is_in_scope AND as_of_utc IS NOT NULL
    )
    GROUP BY ALL
    HAVING sum(firm_orders) > 0
),
ages AS (SELECT CAST(unnest(range(366)) AS INTEGER) AS days_since_creation)
SELECT
    cohorts.enterprise_id, cohorts.service_id, cohorts.cohort_month, ages.days_since_creation,
    coalesce(reached.orders_at_risk, 0) AS orders_at_risk, coalesce(reached.canceled_by_then, 0) AS canceled_by_then,
    cohorts.cohort_firm_orders
FROM cohorts
CROSS JOIN ages
LEFT JOIN {{ source('pso_bi', 'agg_cancellation_curve') }} AS reached
    ON reached.enterprise_id = cohorts.enterprise_id AND reached.service_id = cohorts.service_id
    AND reached.cohort_month = cohorts.cohort_month AND reached.days_since_creation = ages.days_since_creation
