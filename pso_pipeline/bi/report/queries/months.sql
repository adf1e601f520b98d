-- months: one row for each calendar month on the page, without gaps, numbered from the oldest.
-- Reason: the newest $max_months of them bound the page, or fewer where the services of the hotels would make more
-- than about $max_cells groups, but at least $min_months. A date after every hotel's as_of_utc is a wrong clock's.
CREATE OR REPLACE TEMP TABLE months AS
WITH used AS (
    SELECT
        date_trunc('month', min(date)) AS first_month,
        greatest(
            $min_months,
            least(
                $max_months,
                $max_cells * greatest(1, count(DISTINCT enterprise_id) / $max_hotels)
                // greatest(1, count(DISTINCT (enterprise_id, service_id)))
            )
        )::INTEGER AS number,
        date_trunc('month', least(max(date), (SELECT max(as_of_utc) + INTERVAL 1 DAY FROM mart.dim_enterprises)))
            AS last_month
    FROM mart.agg_orders_daily
),

listed AS (
    SELECT
        unnest(
            generate_series(
                greatest(first_month, last_month - to_months(number - 1)), last_month, INTERVAL 1 MONTH
            )
        )::DATE AS month
    FROM used
)

SELECT month, row_number() OVER (ORDER BY month) - 1 AS position FROM listed
