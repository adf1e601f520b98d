-- counted: for each hotel its orders, and those whose id another row has too, in the same hotel or in another one.
CREATE OR REPLACE TEMP TABLE counted AS
WITH repeated AS (
    SELECT orders.id
    FROM mews.product_service_orders AS orders
    SEMI JOIN checked_orders ON checked_orders.id = orders.id
    GROUP BY orders.id
    HAVING count(*) > 1
)

SELECT
    checked_orders.enterprise_id,
    count(*) AS checked,
    count(repeated.id) AS violations,
    'for example ' || min(repeated.id) AS detail
FROM checked_orders
LEFT JOIN repeated ON repeated.id = checked_orders.id
GROUP BY checked_orders.enterprise_id;
