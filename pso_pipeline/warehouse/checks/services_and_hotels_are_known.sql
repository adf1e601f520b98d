-- counted: for each hotel its orders, and those whose service or hotel the API does not list, or whose service
-- belongs to another hotel.
CREATE OR REPLACE TEMP TABLE counted AS
WITH sold AS (
    SELECT enterprise_id, service_id, count(*) AS orders FROM checked_records GROUP BY enterprise_id, service_id
),

named AS (
    SELECT
        sold.enterprise_id,
        sold.service_id,
        sold.orders,
        services.id IS NULL OR enterprises.id IS NULL AS is_unknown
    FROM sold
    LEFT JOIN mews.services AS services
        ON services.id = sold.service_id AND services.enterprise_id = sold.enterprise_id
    LEFT JOIN mews.enterprises AS enterprises ON enterprises.id = sold.enterprise_id
)

SELECT
    enterprise_id,
    sum(orders)::BIGINT AS checked,
    coalesce(sum(orders) FILTER (WHERE is_unknown), 0)::BIGINT AS violations,
    'service ' || min(service_id) FILTER (WHERE is_unknown) AS detail
FROM named
GROUP BY enterprise_id;
