-- {column}_values: one row for each value of agg_orders_daily.{column}, the missing one too, with its position on the page.
-- Reason: the API's enumerations are open; beyond the $max_values with the most orders they share one position, whose
-- label is null.
CREATE OR REPLACE TEMP TABLE {column}_values AS
WITH sizes AS (
    SELECT daily.{column} AS value, sum(daily.orders_created) AS orders
    FROM mart.agg_orders_daily AS daily
    INNER JOIN months ON months.month = date_trunc('month', daily.date)
    GROUP BY daily.{column}
),

ranked AS (
    SELECT value, row_number() OVER (ORDER BY orders DESC, value) - 1 AS rank FROM sizes
)

SELECT
    value,
    least(rank, $max_values) AS position,
    CASE WHEN rank < $max_values THEN coalesce(value, 'Not given') END AS label
FROM ranked
