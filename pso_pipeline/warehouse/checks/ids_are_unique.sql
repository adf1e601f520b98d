-- counted: for each hotel its orders, and those whose id another row has too, in whatever hotel.
CREATE OR REPLACE TEMP TABLE counted AS
WITH own AS (
    SELECT id, coalesce(enterprise_id, '') AS enterprise_id
    FROM mews.product_service_orders
    WHERE coalesce(enterprise_id, '') IN (SELECT enterprise_id FROM checked_enterprises)
),

repeated AS (
    SELECT orders.id
    FROM mews.product_service_orders AS orders
    SEMI JOIN own ON own.id = orders.id
    GROUP BY orders.id
    HAVING count(*) > 1
)

SELECT
    own.enterprise_id,
    count(*) AS checked,
    count(repeated.id) AS violations,
    CASE WHEN violations > 0 THEN 'for example ' || min(repeated.id) END AS detail
FROM own
LEFT JOIN repeated ON repeated.id = own.id
GROUP BY own.enterprise_id;
