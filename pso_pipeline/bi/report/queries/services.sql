-- services: one row for each service with an order or an item, with the position of its name on the page.
-- Reason: a filter shows names, and hotels sell services of the same name; beyond the $max_values names with the most
-- orders they share one position, whose label is null.
CREATE OR REPLACE TEMP TABLE services AS
WITH named AS (
    SELECT service_id, coalesce(service_name, 'Unnamed service') AS label FROM mart.dim_services
),

sizes AS (
    SELECT named.label, sum(daily.orders_created) AS orders
    FROM mart.agg_orders_daily AS daily
    INNER JOIN months ON months.month = date_trunc('month', daily.date)
    INNER JOIN named ON named.service_id = daily.service_id
    GROUP BY named.label
    UNION ALL
    SELECT DISTINCT named.label, 0
    FROM mart.agg_item_revenue_daily AS daily
    INNER JOIN named ON named.service_id = daily.service_id
    WHERE daily.date >= (SELECT min(month) FROM months)
),

ranked AS (
    SELECT label, row_number() OVER (ORDER BY sum(orders) DESC, label) - 1 AS rank FROM sizes GROUP BY label
)

SELECT
    named.service_id,
    least(ranked.rank, $max_values) AS position,
    CASE WHEN ranked.rank < $max_values THEN named.label END AS label
FROM named
INNER JOIN ranked ON ranked.label = named.label
