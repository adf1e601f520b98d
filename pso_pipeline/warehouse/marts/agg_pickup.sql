-- mart.agg_pickup: one row for each hotel, service, day of creation and day on which it was known, both among the last 35
-- complete days, with any order now, a week before or a year before. Source: mart.fct_order_state_changes,
-- mart.fct_product_service_orders, mart.dim_enterprises.
-- Reason: docs/metrics.md, "What was known then". A version is known from the local day on which it was first seen; the state
-- known at the end of a day is that of the version updated last. Days are counted back from the hotel's as_of_date, so that the
-- days of a week or a year before differ by 7 or 364. No time zone is needed, which not every reader of a snapshot has.
CREATE OR REPLACE VIEW mart.agg_pickup AS
WITH hotels AS (
    SELECT
        enterprises.enterprise_id,
        enterprises.as_of_date,
        datediff('day', min(changes.observed_date), enterprises.as_of_date) AS known_days_ago
    FROM mart.dim_enterprises AS enterprises
    INNER JOIN mart.fct_order_state_changes AS changes ON changes.enterprise_id = enterprises.enterprise_id
    WHERE enterprises.as_of_date IS NOT NULL
    GROUP BY enterprises.enterprise_id, enterprises.as_of_date
),

orders AS (
    SELECT
        facts.order_id,
        facts.enterprise_id,
        facts.service_id,
        hotels.as_of_date,
        hotels.known_days_ago,
        datediff('day', facts.created_date, hotels.as_of_date) AS created_days_ago
    FROM mart.fct_product_service_orders AS facts
    INNER JOIN hotels ON hotels.enterprise_id = facts.enterprise_id
    WHERE created_days_ago BETWEEN 0 AND 41 OR created_days_ago BETWEEN 364 AND 398
),

-- days_ago is the day on which the state was first known
versions AS (
    SELECT
        orders.*,
        datediff('day', changes.observed_date, orders.as_of_date) AS days_ago,
        CAST(coalesce(changes.to_state = 'Canceled', FALSE) AS INTEGER) AS is_canceled,
        row_number() OVER (
            PARTITION BY changes.order_id, changes.enterprise_id ORDER BY changes.changed_at, changes.observed_at
        ) AS version_number
    FROM mart.fct_order_state_changes AS changes
    INNER JOIN orders ON orders.order_id = changes.order_id AND orders.enterprise_id = changes.enterprise_id
    WHERE changes.observed_date <= orders.as_of_date
),

observed AS (
    SELECT DISTINCT
        * EXCLUDE (is_canceled, version_number),
        arg_max(is_canceled, version_number) OVER (
            PARTITION BY order_id, enterprise_id ORDER BY days_ago DESC
        ) AS is_canceled
    FROM versions
),

changes AS (
    SELECT
        *,
        CAST(lag(is_canceled) OVER history IS NULL AS INTEGER) AS orders,
        is_canceled - coalesce(lag(is_canceled) OVER history, 0) AS cancellations
    FROM observed
    WINDOW history AS (PARTITION BY order_id, enterprise_id ORDER BY days_ago DESC)
),

-- runs of days on which the same was known of one day of creation
runs AS (
    SELECT
        enterprise_id,
        service_id,
        as_of_date,
        known_days_ago,
        created_days_ago,
        days_ago AS first_days_ago,
        lag(days_ago, 1, -1) OVER (
            PARTITION BY enterprise_id, service_id, created_days_ago ORDER BY days_ago
        ) + 1 AS last_days_ago,
        sum(sum(orders)) OVER known AS orders,
        sum(sum(cancellations)) OVER known AS cancellations
    FROM changes
    GROUP BY enterprise_id, service_id, as_of_date, known_days_ago, created_days_ago, days_ago
    WINDOW known AS (PARTITION BY enterprise_id, service_id, created_days_ago ORDER BY days_ago DESC)
),

days AS (
    SELECT
        *,
        unnest(range(greatest(last_days_ago, created_days_ago // 364 * 364), least(first_days_ago, 398) + 1)) AS days_ago
    FROM runs
),

compared AS (
    SELECT
        days.enterprise_id,
        days.service_id,
        days.as_of_date,
        days.known_days_ago,
        days.days_ago - shifts.shift AS days_ago,
        days.created_days_ago - shifts.shift AS created_days_ago,
        shifts.shift,
        days.orders,
        days.cancellations
    FROM days
    INNER JOIN (VALUES (0), (7), (364)) AS shifts (shift)
        ON days.days_ago - shifts.shift BETWEEN 0 AND 34 AND days.created_days_ago - shifts.shift BETWEEN 0 AND 34
)

SELECT
    enterprise_id,
    service_id,
    as_of_date - CAST(days_ago AS INTEGER) AS known_on,
    as_of_date - CAST(created_days_ago AS INTEGER) AS date,
    CAST(coalesce(sum(orders) FILTER (WHERE shift = 0), 0) AS BIGINT) AS orders_created,
    CAST(coalesce(sum(cancellations) FILTER (WHERE shift = 0), 0) AS BIGINT) AS canceled_orders,
    CASE WHEN days_ago + 7 <= known_days_ago THEN CAST(coalesce(sum(orders) FILTER (WHERE shift = 7), 0) AS BIGINT) END
        AS last_week_orders_created,
    CASE
        WHEN days_ago + 7 <= known_days_ago THEN CAST(coalesce(sum(cancellations) FILTER (WHERE shift = 7), 0) AS BIGINT)
    END AS last_week_canceled_orders,
    CASE
        WHEN days_ago + 364 <= known_days_ago THEN CAST(coalesce(sum(orders) FILTER (WHERE shift = 364), 0) AS BIGINT)
    END AS last_year_orders_created,
    CASE
        WHEN days_ago + 364 <= known_days_ago
            THEN CAST(coalesce(sum(cancellations) FILTER (WHERE shift = 364), 0) AS BIGINT)
    END AS last_year_canceled_orders
FROM compared
GROUP BY enterprise_id, service_id, as_of_date, known_days_ago, days_ago, created_days_ago
