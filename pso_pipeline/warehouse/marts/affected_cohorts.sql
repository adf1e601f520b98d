-- affected_cohorts: one row for each hotel, service and local month of creation whose cancellation curve is computed again:
-- an order of it changed or may have matured, or all orders of the hotel are affected.
-- Source: affected_enterprises, affected_facts, internal.computed_scopes, internal.cancellation_curve_runs.
-- Reason for the months of a maturity rollover: the curve ends at the age of 365 days.
CREATE OR REPLACE TEMP TABLE affected_cohorts AS
WITH cohorts AS (
    SELECT runs.enterprise_id, runs.service_id, runs.cohort_month
    FROM internal.cancellation_curve_runs AS runs
    SEMI JOIN (FROM affected_enterprises WHERE are_all_orders_affected) AS enterprises
        ON enterprises.enterprise_id = runs.enterprise_id
    UNION
    SELECT enterprise_id, service_id, CAST(date_trunc('month', created_date) AS DATE) FROM affected_facts
    UNION
    SELECT
        services.enterprise_id,
        services.scope_id,
        CAST(
            unnest(
                generate_series(
                    date_trunc(
                        'month',
                        least(enterprises.previous_midnight_utc, enterprises.last_midnight_utc) - INTERVAL 367 DAY
                    ),
                    greatest(enterprises.previous_midnight_utc, enterprises.last_midnight_utc) + INTERVAL 1 DAY,
                    INTERVAL 1 MONTH
                )
            ) AS DATE
        )
    FROM affected_enterprises AS enterprises
    INNER JOIN internal.computed_scopes AS services ON services.enterprise_id = enterprises.enterprise_id
    WHERE enterprises.is_maturity_rollover AND services.endpoint = 'product_service_orders'
)

SELECT cohorts.*, enterprises.last_midnight_utc
FROM cohorts
INNER JOIN affected_enterprises AS enterprises ON enterprises.enterprise_id = cohorts.enterprise_id;
