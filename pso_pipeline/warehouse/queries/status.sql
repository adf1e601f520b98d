-- One row for each enterprise: how fresh it is, how many orders it has, what is wrong. Source: all tables of schema mews.
-- The watermark is null as long as one of its services in use was never read to the end; retired ones are counted alone.
WITH progress AS (
    SELECT
        services.enterprise_id,
        count(*) FILTER (WHERE services.retired_utc IS NULL) AS services,
        count(*) FILTER (WHERE services.retired_utc IS NOT NULL) AS retired_services,
        CASE
            WHEN count(*) FILTER (WHERE services.retired_utc IS NULL AND sync_state.watermark_utc IS NULL) = 0
                THEN min(sync_state.watermark_utc) FILTER (WHERE services.retired_utc IS NULL)
        END AS watermark_utc,
        min(sync_state.last_success_utc) FILTER (WHERE services.retired_utc IS NULL) AS last_success_utc,
        max(sync_state.last_error) FILTER (WHERE services.retired_utc IS NULL) AS last_error
    FROM mews.services
    LEFT JOIN mews.sync_state ON sync_state.endpoint = 'product_service_orders' AND sync_state.scope_id = services.id
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
),

listings AS (
    SELECT enterprise_id, max(listed_utc) AS listed_utc FROM mews.service_listings GROUP BY enterprise_id
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
    progress.last_error,
    coalesce(progress.retired_services, 0),
    listings.listed_utc
FROM mews.enterprises
LEFT JOIN progress ON progress.enterprise_id = enterprises.id
LEFT JOIN orders ON orders.enterprise_id = enterprises.id
LEFT JOIN rejects ON rejects.enterprise_id = enterprises.id
LEFT JOIN listings ON listings.enterprise_id = enterprises.id
ORDER BY enterprises.partition_key;
