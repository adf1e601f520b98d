-- One row for each hotel, service, month on the page and bin of $edges that is not empty: the number of {column} in it.
-- A bin reaches from the edge before (not included) to its own edge (included); the first and the last take what lies beyond.
-- Reason: a median under any filter cannot be made from medians, but it can be read from counts.
-- Reason for cells, which are narrower than bins and only say which bins to compare: an ASOF join sorts every duration, which
-- takes much memory. One cell more on either side leaves no room for what the logarithm rounds.
WITH edges AS (
    SELECT
        edge,
        lag(edge, 1, 0) OVER (ORDER BY edge) AS edge_before,
        row_number() OVER (ORDER BY edge) - 1 AS bin,
        floor(40 * ln(edge))::INTEGER AS cell
    FROM (SELECT unnest($edges::DOUBLE[]) AS edge)
),

cells AS (
    SELECT
        edge,
        edge_before,
        bin,
        unnest(range(lag(cell, 1, cell) OVER (ORDER BY edge) - 1, cell + 2)) AS cell
    FROM edges
),

binned AS (
    SELECT
        hotels.position AS hotel,
        services.position AS service,
        months.position AS month,
        least(greatest({table}.{column}, list_min($edges::DOUBLE[])), list_max($edges::DOUBLE[])) AS duration
    FROM mart.{table}
    INNER JOIN months ON months.month = date_trunc('month', {table}.{date})
    INNER JOIN hotels ON hotels.enterprise_id = {table}.enterprise_id
    INNER JOIN services ON services.service_id = {table}.service_id
    WHERE {table}.{column} IS NOT NULL
)

SELECT binned.hotel, binned.service, binned.month, cells.bin, count(*) AS orders
FROM binned
INNER JOIN cells
    ON cells.cell = floor(40 * ln(binned.duration))::INTEGER
    AND binned.duration > cells.edge_before
    AND binned.duration <= cells.edge
GROUP BY ALL
ORDER BY ALL
