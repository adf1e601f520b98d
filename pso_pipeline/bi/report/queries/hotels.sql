-- hotels: one row for each hotel, with its position on the page: those that totals count before the others, the largest
-- first. Counted are hotels in scope whose services were all read to their end, since others have no as_of_utc.
-- Reason: a page of thousands of hotels would be too large. The $max_hotels largest are listed, as long as their
-- services and months make no more than about $max_cells groups. The others that are counted
-- share one position, and those that are not the next one. The orders of a listed hotel are divided by origin and segment as
-- long as the counts of all make no more than about $max_cells groups.
CREATE OR REPLACE TEMP TABLE hotels AS
WITH groups AS (
    SELECT
        daily.enterprise_id,
        services.position AS service,
        months.position AS month,
        daily.origin,
        daily.account_type,
        sum(daily.orders_created) AS orders,
        sum(daily.orders_without_items) AS orders_without_items
    FROM mart.agg_orders_daily AS daily
    INNER JOIN months ON months.month = date_trunc('month', daily.date)
    INNER JOIN services ON services.service_id = daily.service_id
    GROUP BY ALL
),

sizes AS (
    SELECT
        enterprise_id,
        sum(orders) AS orders,
        sum(orders_without_items) AS orders_without_items,
        count(*) AS cells,
        count(DISTINCT (service, month)) AS plain_cells
    FROM groups
    GROUP BY enterprise_id
),

items AS (
    SELECT
        daily.enterprise_id,
        sum(daily.items_without_order) AS items_without_order,
        approx_count_distinct(hash(services.position, daily.currency, months.position)) AS cells
    FROM mart.agg_item_revenue_daily AS daily
    LEFT JOIN months ON months.month = date_trunc('month', daily.date)
    LEFT JOIN services ON services.service_id = daily.service_id
    GROUP BY daily.enterprise_id
),

firsts AS (
    SELECT enterprise_id, min(date) AS first_date FROM mart.agg_orders_daily GROUP BY enterprise_id
),

known AS (
    SELECT
        * REPLACE (coalesce(is_in_scope, FALSE) AS is_in_scope),
        coalesce(is_in_scope, FALSE) AND as_of_utc IS NOT NULL AS is_counted
    FROM mart.dim_enterprises
),

ranked AS (
    SELECT
        hotel.*,
        coalesce(sizes.orders, 0) AS orders,
        coalesce(sizes.orders_without_items, 0)::BIGINT AS orders_without_items,
        coalesce(items.items_without_order, 0)::BIGINT AS items_without_order,
        greatest(coalesce(datediff('day', firsts.first_date, hotel.as_of_date) + 1, 0) // 7, 0) AS weeks_known,
        row_number() OVER by_size - 1 AS rank,
        sum(coalesce(sizes.plain_cells, 0) + coalesce(items.cells, 0)) OVER () AS plain_cells,
        sum(coalesce(sizes.plain_cells, 0)) OVER by_size AS plain_cells_so_far,
        sum(coalesce(sizes.cells, 0) - coalesce(sizes.plain_cells, 0)) OVER by_size AS further_cells
    FROM known AS hotel
    LEFT JOIN sizes ON sizes.enterprise_id = hotel.enterprise_id
    LEFT JOIN firsts ON firsts.enterprise_id = hotel.enterprise_id
    LEFT JOIN items ON items.enterprise_id = hotel.enterprise_id
    WINDOW by_size AS (ORDER BY hotel.is_counted DESC, coalesce(sizes.orders, 0) DESC, hotel.enterprise_id)
),

listed AS (
    SELECT
        *,
        rank = 0 OR (rank < $max_hotels AND plain_cells_so_far <= $max_cells) AS is_listed,
        NOT is_listed OR rank = 0 OR plain_cells + further_cells <= $max_cells AS is_detailed,
        count(*) OVER (PARTITION BY enterprise_name) > 1 AS shares_its_name
    FROM ranked
)

SELECT
    enterprise_id,
    dense_rank() OVER (ORDER BY is_listed DESC, CASE WHEN is_listed THEN rank END, is_counted DESC) - 1 AS position,
    is_listed,
    is_detailed,
    coalesce(partition_key, enterprise_id) AS key,
    weeks_known,
    CASE
        WHEN enterprise_name IS NULL THEN coalesce(partition_key, enterprise_id)
        WHEN shares_its_name THEN enterprise_name || ' (' || coalesce(partition_key, enterprise_id) || ')'
        ELSE enterprise_name
    END AS label,
    time_zone,
    as_of_utc,
    as_of_date,
    is_counted,
    CASE
        WHEN NOT is_in_scope THEN 'no longer read'
        WHEN is_held_back THEN 'held back'
        WHEN as_of_utc IS NULL THEN 'not read to its end'
        ELSE 'current'
    END AS status,
    held_back_reason,
    orders,
    orders_without_items,
    items_without_order
FROM listed
