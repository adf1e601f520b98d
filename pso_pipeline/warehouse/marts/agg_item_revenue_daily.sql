-- mart.agg_item_revenue_daily: one row for each hotel, service, product, currency and local day of consumption with any item;
-- computed for affected_item_days. Source: counted_items.
-- Reason for parts: each item is in exactly one, so that they add up to all items. A sum that DECIMAL(18,4) cannot hold is null.
WITH parts AS (
    SELECT
        *,
        CASE
            WHEN item_kind = 'sale' AND is_canceled THEN 'canceled'
            WHEN item_kind = 'sale' AND is_counted AND is_consumed THEN 'consumed'
            WHEN item_kind = 'sale' AND is_counted THEN 'booked'
            WHEN item_kind = 'rebate' AND is_counted THEN 'rebated'
            WHEN item_kind = 'cancellation_fee' AND is_counted THEN 'fee'
            ELSE 'other'
        END AS part
    FROM counted_items
    WHERE is_on_affected_day
)

SELECT
    enterprise_id,
    service_id,
    product_id,
    currency,
    consumed_date AS date,
    count(*) AS items,
    count(*) FILTER (WHERE order_link = 'no_known_order') AS items_without_order,
    TRY_CAST(coalesce(sum(quantity) FILTER (WHERE part IN ('consumed', 'booked', 'canceled')), 0) AS BIGINT) AS ordered_quantity,
    TRY_CAST(coalesce(sum(gross_value) FILTER (WHERE part IN ('consumed', 'booked', 'canceled')), 0) AS DECIMAL(18, 4)) AS ordered_gross_value,
    TRY_CAST(coalesce(sum(net_value) FILTER (WHERE part IN ('consumed', 'booked', 'canceled')), 0) AS DECIMAL(18, 4)) AS ordered_net_value,
    TRY_CAST(coalesce(sum(quantity) FILTER (WHERE part = 'consumed'), 0) AS BIGINT) AS consumed_quantity,
    TRY_CAST(coalesce(sum(gross_value) FILTER (WHERE part = 'consumed'), 0) AS DECIMAL(18, 4)) AS consumed_gross_value,
    TRY_CAST(coalesce(sum(net_value) FILTER (WHERE part = 'consumed'), 0) AS DECIMAL(18, 4)) AS consumed_net_value,
    TRY_CAST(coalesce(sum(quantity) FILTER (WHERE part = 'booked'), 0) AS BIGINT) AS booked_quantity,
    TRY_CAST(coalesce(sum(gross_value) FILTER (WHERE part = 'booked'), 0) AS DECIMAL(18, 4)) AS booked_gross_value,
    TRY_CAST(coalesce(sum(net_value) FILTER (WHERE part = 'booked'), 0) AS DECIMAL(18, 4)) AS booked_net_value,
    TRY_CAST(coalesce(sum(quantity) FILTER (WHERE part = 'canceled'), 0) AS BIGINT) AS canceled_quantity,
    TRY_CAST(coalesce(sum(gross_value) FILTER (WHERE part = 'canceled'), 0) AS DECIMAL(18, 4)) AS canceled_gross_value,
    TRY_CAST(coalesce(sum(net_value) FILTER (WHERE part = 'canceled'), 0) AS DECIMAL(18, 4)) AS canceled_net_value,
    TRY_CAST(coalesce(sum(quantity) FILTER (WHERE part = 'rebated'), 0) AS BIGINT) AS rebated_quantity,
    TRY_CAST(coalesce(sum(gross_value) FILTER (WHERE part = 'rebated'), 0) AS DECIMAL(18, 4)) AS rebated_gross_value,
    TRY_CAST(coalesce(sum(net_value) FILTER (WHERE part = 'rebated'), 0) AS DECIMAL(18, 4)) AS rebated_net_value,
    TRY_CAST(coalesce(sum(quantity) FILTER (WHERE part = 'fee'), 0) AS BIGINT) AS fee_quantity,
    TRY_CAST(coalesce(sum(gross_value) FILTER (WHERE part = 'fee'), 0) AS DECIMAL(18, 4)) AS fee_gross_value,
    TRY_CAST(coalesce(sum(net_value) FILTER (WHERE part = 'fee'), 0) AS DECIMAL(18, 4)) AS fee_net_value,
    TRY_CAST(coalesce(sum(quantity) FILTER (WHERE part = 'other'), 0) AS BIGINT) AS other_quantity,
    TRY_CAST(coalesce(sum(gross_value) FILTER (WHERE part = 'other'), 0) AS DECIMAL(18, 4)) AS other_gross_value,
    TRY_CAST(coalesce(sum(net_value) FILTER (WHERE part = 'other'), 0) AS DECIMAL(18, 4)) AS other_net_value
FROM parts
GROUP BY enterprise_id, service_id, product_id, currency, consumed_date
