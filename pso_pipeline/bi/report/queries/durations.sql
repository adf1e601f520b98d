-- One row for each hotel, service, month on the page and bin of $edges that is not empty: the number of {column} in it.
-- A bin reaches from the edge before (not included) to its own edge (included); the first and the last take what lies beyond.
-- Reason: a median under any filter cannot be made from medians, but it can be read from counts.
WITH edges AS (
    SELECT unnest($edges::DOUBLE[]) AS edge, unnest(range(len($edges))) AS bin
),

binned AS (
    SELECT
        hotels.position AS hotel,
        services.position AS service,
        months.position AS month,
        least({table}.{column}, list_max($edges::DOUBLE[])) AS duration
    FROM mart.{table}
    INNER JOIN months ON months.month = date_trunc('month', {table}.{date})
    INNER JOIN hotels ON hotels.enterprise_id = {table}.enterprise_id
    INNER JOIN services ON services.service_id = {table}.service_id
    WHERE {table}.{column} IS NOT NULL
)

SELECT binned.hotel, binned.service, binned.month, edges.bin, count(*) AS orders
FROM binned
ASOF JOIN edges ON binned.duration <= edges.edge
GROUP BY ALL
ORDER BY ALL
