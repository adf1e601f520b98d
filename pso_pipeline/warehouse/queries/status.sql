-- One row for each enterprise: how fresh it is, how many orders it has, what is wrong. Source: all tables of schema mews.
-- The watermark is null as long as one of its services was never read to the end.
WITH progress AS (
    SELECT
        services.enterprise_id,
        count(*) AS services,
        CASE WHEN count(sync_state.watermark_utc) = count(*) THEN min(sync_state.watermark_utc) END AS watermark_utc,
        min(sync_state.last_success_utc) AS last_success_utc,
        max(sync_state.last_error) AS last_error
    FROM mews.services
    LEFT JOIN mews.sync_state ON sync_state.service_id = services.id
    WHERE services.kind IS DISTINCT FROM 'Bookable'
    GROUP BY services.enterprise_id
),

orders AS (
    SELECT enterprise_id, count(*) AS orders
    FROM mews.product_service_orders
    WHERE NOT is_missing_from_source
    GROUP BY enterprise_id
),

rejects AS (
    SELECT enterprise_id, count(*) AS rejected FROM mews.rejected_records GROUP BY enterprise_id
)

SELECT
    enterprises.id,
    enterprises.partition_key,
    enterprises.name,
    enterprises.is_in_scope,
    coalesce(progress.services, 0),
    coalesce(orders.orders, 0),
    coalesce(rejects.rejected, 0),
    progress.watermark_utc,
    progress.last_success_utc,
    progress.last_error
FROM mews.enterprises
LEFT JOIN progress ON progress.enterprise_id = enterprises.id
LEFT JOIN orders ON orders.enterprise_id = enterprises.id
LEFT JOIN rejects ON rejects.enterprise_id = enterprises.id
ORDER BY enterprises.partition_key;
