-- mart.fct_order_items: one row for each item of a hotel whose items were read to their end, that the source still has; computed
-- for the affected items. Source: landed_items, utc_offsets, landed_orders, affected_orders, mart.fct_product_service_orders, and
-- what mart.dim_products and mart.dim_services have to have.
-- Reason: the one place where items get the hotel's own dates. No free text, no account and no profile of a guest is in it.
WITH known_orders AS (
    SELECT order_id, enterprise_id FROM landed_orders
    UNION
    SELECT facts.order_id, facts.enterprise_id
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN landed_items AS items
        ON items.service_order_id = facts.order_id AND items.enterprise_id = facts.enterprise_id
    ANTI JOIN affected_orders AS affected
        ON affected.order_id = facts.order_id AND affected.enterprise_id = facts.enterprise_id
),

reserved_services AS (
    SELECT DISTINCT service_id, enterprise_id FROM new_dim_services WHERE service_kind = 'Bookable'
)

SELECT
    items.item_id,
    items.service_order_id,
    items.enterprise_id,
    items.service_id,
    items.product_id,
    products.product_name,
    products.classification,
    items.item_type,
    items.revenue_type,
    items.item_kind,
    items.quantity,
    items.gross_value,
    items.net_value,
    items.currency,
    items.accounting_state,
    items.is_canceled,
    items.is_counted,
    items.item_kind = 'rebate' AS is_rebate,
    items.item_kind = 'cancellation_fee' AS is_cancellation_fee,
    items.consumed_at,
    local_date(items.consumed_at, consumption.time_zone, consumption.utc_offset) AS consumed_date,
    items.created_at,
    local_date(items.created_at, creation.time_zone, creation.utc_offset) AS created_date,
    items.canceled_at,
    local_date(items.canceled_at, cancellation.time_zone, cancellation.utc_offset) AS canceled_date,
    CASE
        WHEN orders.order_id IS NOT NULL THEN 'with_order'
        WHEN items.service_order_id IS NOT NULL AND reserved.service_id IS NOT NULL THEN 'with_reservation'
        ELSE 'no_known_order'
    END AS order_link
FROM landed_items AS items
LEFT JOIN new_dim_products AS products
    ON products.product_id = items.product_id AND products.enterprise_id = items.enterprise_id
LEFT JOIN known_orders AS orders
    ON orders.order_id = items.service_order_id AND orders.enterprise_id = items.enterprise_id
LEFT JOIN reserved_services AS reserved
    ON reserved.service_id = items.service_id AND reserved.enterprise_id = items.enterprise_id
LEFT JOIN utc_offsets AS consumption
    ON consumption.zone = items.zone AND consumption.utc_date = CAST(items.consumed_at AS DATE)
LEFT JOIN utc_offsets AS creation
    ON creation.zone = items.zone AND creation.utc_date = CAST(items.created_at AS DATE)
LEFT JOIN utc_offsets AS cancellation
    ON cancellation.zone = items.zone AND cancellation.utc_date = CAST(items.canceled_at AS DATE)
