-- One row for each hotel that ahead.sql leaves out: its items were read up to an earlier day than those of others, by more than
-- time zones make. Source: mart.dim_enterprises, hotels.
SELECT DISTINCT position AS hotel
FROM (
    SELECT
        hotels.position,
        CAST(timezone(known.time_zone, timezone('UTC', known.items_as_of_utc)) AS DATE) AS today,
        max(today) OVER () AS newest
    FROM mart.dim_enterprises AS known
    INNER JOIN hotels ON hotels.enterprise_id = known.enterprise_id
)
WHERE today < newest - 1
ORDER BY hotel
