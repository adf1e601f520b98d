-- hotels: one row for each hotel, the largest first, with its position on the page.
-- Reason: a page of thousands of hotels would be too large. The largest are listed as long as they are no more than
-- $max_hotels and their counts no more than about $max_cells groups; the others share one position.
CREATE OR REPLACE TEMP TABLE hotels AS
WITH sizes AS (
    SELECT
        daily.enterprise_id,
        sum(daily.orders_created) AS orders,
        approx_count_distinct(
            hash(services.position, daily.origin, daily.account_type, months.position)
        ) AS cells
    FROM mart.agg_orders_daily AS daily
    INNER JOIN months ON months.month = date_trunc('month', daily.date)
    INNER JOIN services ON services.service_id = daily.service_id
    GROUP BY daily.enterprise_id
),

ranked AS (
    SELECT
        hotel.*,
        coalesce(sizes.orders, 0) AS orders,
        row_number() OVER by_size - 1 AS rank,
        sum(coalesce(sizes.cells, 0)) OVER by_size AS cells_so_far
    FROM mart.dim_enterprises AS hotel
    LEFT JOIN sizes ON sizes.enterprise_id = hotel.enterprise_id
    WINDOW by_size AS (ORDER BY coalesce(sizes.orders, 0) DESC, hotel.enterprise_id)
),

listed AS (
    SELECT
        *,
        rank = 0 OR (rank < $max_hotels AND cells_so_far <= $max_cells) AS is_listed,
        count(*) OVER (PARTITION BY enterprise_name) > 1 AS shares_its_name
    FROM ranked
)

SELECT
    enterprise_id,
    least(rank, count(*) FILTER (is_listed) OVER ()) AS position,
    is_listed,
    CASE
        WHEN enterprise_name IS NULL THEN partition_key
        WHEN shares_its_name THEN enterprise_name || ' (' || coalesce(partition_key, enterprise_id) || ')'
        ELSE enterprise_name
    END AS label,
    time_zone,
    as_of_utc,
    is_in_scope,
    orders
FROM listed
