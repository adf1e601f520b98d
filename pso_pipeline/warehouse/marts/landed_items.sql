-- landed_items: one row for each affected item of a hotel whose items were read to their end, that the source still has, with the
-- sets that its type and state belong to. Source: affected_items, mews.order_items, affected_enterprises, item_types.
--   item_kind   by its type; a sale of a negative amount takes something back, and is a rebate
--   is_counted  whether its amount counts: an unknown state says nothing
CREATE OR REPLACE TEMP TABLE landed_items AS
SELECT
    items.id AS item_id,
    items.service_order_id,
    items.enterprise_id,
    enterprises.zone,
    items.service_id,
    coalesce(items.product_id, items.rebate_product_id) AS product_id,
    shown(items.type) AS item_type,
    shown(items.revenue_type) AS revenue_type,
    CASE
        WHEN items.data_kind = 'Rebate' THEN 'rebate'
        WHEN types.item_kind = 'sale' AND items.gross_value < 0 THEN 'rebate'
        ELSE coalesce(types.item_kind, 'other')
    END AS item_kind,
    items.unit_count AS quantity,
    items.gross_value,
    items.net_value,
    shown(items.currency) AS currency,
    shown(items.accounting_state) AS accounting_state,
    coalesce(items.accounting_state = 'Canceled', FALSE) AS is_canceled,
    coalesce(items.accounting_state IN ('Open', 'Closed'), FALSE) AS is_counted,
    bounded(coalesce(items.consumed_utc, items.created_utc)) AS consumed_at,
    bounded(items.created_utc) AS created_at,
    CASE WHEN items.accounting_state = 'Canceled' THEN bounded(items.canceled_utc) END AS canceled_at
FROM mews.order_items AS items
SEMI JOIN affected_items AS affected
    ON affected.item_id = items.id AND affected.enterprise_id = items.enterprise_id
INNER JOIN affected_enterprises AS enterprises ON enterprises.enterprise_id = items.enterprise_id
LEFT JOIN item_types AS types ON types.item_type = items.type
WHERE enterprises.items_as_of_utc IS NOT NULL AND items.is_missing_from_source IS DISTINCT FROM TRUE;
