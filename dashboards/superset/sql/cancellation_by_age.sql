-- One row for each cohort (hotel that is counted, service and month of creation) and each of some ages, with the names of
-- hotel and service. Source: mart.agg_cancellation_curve.
-- Reason for rows of ages that a cohort has not reached: whatever is chosen, orders_at_risk then adds up to firm_orders
-- exactly where every order has been observed that long, and a curve of those ages alone cannot fall.
SELECT
    hotels.hotel, hotels.hotel_status, coalesce(shown(services.service_name), '(no name)') AS service,
    services.service_kind, shown(hotels.chain_name) AS chain_name, hotels.country_code, shown(hotels.city) AS city,
    left(CAST(points.cohort_month AS VARCHAR), 7) AS cohort,
    coalesce(
        max(points.days_since_creation) FILTER (points.orders_at_risk = points.firm_orders) OVER (
            PARTITION BY points.enterprise_id, points.service_id, points.cohort_month
        ),
        -1
    ) AS observed_days,
    points.*
FROM (
    WITH ages AS (
        SELECT unnest([0, 1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 75, 90, 120, 150, 180, 240, 300, 365])
            AS days_since_creation
    ),
    cohorts AS (
        SELECT
            enterprise_id, service_id, CAST(date_trunc('month', date) AS DATE) AS cohort_month,
            CAST(sum(firm_orders) AS BIGINT) AS firm_orders
        FROM mart.agg_orders_daily
        GROUP BY enterprise_id, service_id, date_trunc('month', date)
        HAVING sum(firm_orders) > 0
    ),
    reached AS (
        SELECT * FROM mart.agg_cancellation_curve SEMI JOIN ages USING (days_since_creation)
    )
    SELECT
        cohorts.*, ages.days_since_creation, coalesce(reached.orders_at_risk, 0) AS orders_at_risk,
        coalesce(reached.canceled_by_then, 0) AS canceled_by_then
    FROM cohorts
    CROSS JOIN ages
    LEFT JOIN reached
        ON reached.enterprise_id = cohorts.enterprise_id AND reached.service_id = cohorts.service_id
        AND reached.cohort_month = cohorts.cohort_month AND reached.days_since_creation = ages.days_since_creation
) AS points
INNER JOIN hotels ON hotels.enterprise_id = points.enterprise_id AND hotels.is_counted
LEFT JOIN mart.dim_services AS services ON services.service_id = points.service_id
