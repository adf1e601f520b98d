-- One row for each hotel whose figures need a word, at most $max_named of each status, the largest first, with the number
-- of hotels of its status. Source: hotels.
SELECT
    status,
    count(*) OVER (PARTITION BY status) AS hotels,
    label,
    as_of_utc,
    held_back_reason,
    orders::BIGINT AS orders
FROM hotels
WHERE status <> 'current'
QUALIFY row_number() OVER (PARTITION BY status ORDER BY orders DESC, label) <= $max_named
ORDER BY status, orders DESC, label
