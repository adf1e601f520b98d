-- affected_days: one row for each hotel and local day whose counts are computed again: orders changed that were created or
-- canceled on it, orders created on it may have matured, or all orders of the hotel are affected.
-- Source: affected_enterprises, affected_facts, mart.agg_orders_daily.
-- Reason for the days of a maturity rollover: an order counts as mature for 90 days at most.
CREATE OR REPLACE TEMP TABLE affected_days AS
WITH days AS (
    SELECT counts.enterprise_id, counts.date
    FROM mart.agg_orders_daily AS counts
    SEMI JOIN (FROM affected_enterprises WHERE are_all_orders_affected) AS enterprises
        ON enterprises.enterprise_id = counts.enterprise_id
    UNION
    SELECT enterprise_id, created_date AS date FROM affected_facts
    UNION
    SELECT enterprise_id, canceled_date FROM affected_facts WHERE canceled_date IS NOT NULL
    UNION
    SELECT
        enterprise_id,
        CAST(
            unnest(
                generate_series(
                    least(previous_midnight_utc, last_midnight_utc) - INTERVAL 92 DAY,
                    greatest(previous_midnight_utc, last_midnight_utc) + INTERVAL 1 DAY,
                    INTERVAL 1 DAY
                )
            ) AS DATE
        )
    FROM affected_enterprises
    WHERE is_maturity_rollover
)

SELECT days.*, enterprises.last_midnight_utc
FROM days
INNER JOIN affected_enterprises AS enterprises ON enterprises.enterprise_id = days.enterprise_id;
