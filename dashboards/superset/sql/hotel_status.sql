-- mart.dim_enterprises with how each hotel stands, how old its figures are now, and how many orders it has.
SELECT
    hotels.hotel, hotels.hotel_status,
    coalesce(strftime(known.as_of_utc, '%Y-%m-%d %H:%M'), 'not yet') AS as_of,
    date_diff('hour', known.as_of_utc, CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP)) / 24.0 AS age_in_days,
    coalesce(counts.orders, 0) AS orders,
    known.* REPLACE (
        shown(known.enterprise_name) AS enterprise_name, shown(known.chain_name) AS chain_name,
        shown(known.city) AS city, shown(known.held_back_reason) AS held_back_reason
    )
FROM mart.dim_enterprises AS known
INNER JOIN hotels ON hotels.enterprise_id = known.enterprise_id
LEFT JOIN (
    SELECT enterprise_id, CAST(sum(orders_created) AS BIGINT) AS orders FROM mart.agg_orders_daily GROUP BY enterprise_id
) AS counts ON counts.enterprise_id = known.enterprise_id
