-- One row for each of the hotels $enterprise_ids that was read to the end: the interval in which its orders are compared
-- with the source. It has at most $orders of them, or more if several changed in the same second.
-- It ends $overlap before the watermark: the next refresh reads later changes again, which the source may show late.
WITH ends AS (
    SELECT enterprise_id, min(watermark_utc) - $overlap::INTERVAL AS end_utc
    FROM mews.sync_state
    WHERE endpoint = 'product_service_orders' AND enterprise_id IN (SELECT unnest($enterprise_ids::VARCHAR[]))
    GROUP BY enterprise_id
    HAVING count(*) = count(watermark_utc) AND count(last_error) = 0
),

newest AS (
    SELECT orders.enterprise_id, orders.updated_utc
    FROM mews.product_service_orders AS orders
    INNER JOIN ends ON ends.enterprise_id = orders.enterprise_id AND orders.updated_utc <= ends.end_utc
    QUALIFY row_number() OVER (PARTITION BY orders.enterprise_id ORDER BY orders.updated_utc DESC) <= $orders
)

SELECT
    ends.enterprise_id,
    greatest(coalesce(min(newest.updated_utc), ends.end_utc - INTERVAL 1 DAY), ends.end_utc - INTERVAL 89 DAY) AS start_utc,
    ends.end_utc
FROM ends
LEFT JOIN newest ON newest.enterprise_id = ends.enterprise_id
GROUP BY ends.enterprise_id, ends.end_utc
ORDER BY ends.enterprise_id;
