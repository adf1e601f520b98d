-- landed_orders: one row for each affected order of a completely read service that the source still has, with the sets that
-- its state belongs to. Source: affected_orders, mews.product_service_orders, mews.sync_state, affected_enterprises.
--   canceled_at  null unless the order is canceled now: a cancellation that was undone leaves its time behind
CREATE OR REPLACE TEMP TABLE landed_orders AS
SELECT
    orders.id AS order_id,
    shown(orders.number) AS order_number,
    orders.enterprise_id,
    orders.service_id,
    enterprises.zone,
    enterprises.last_midnight_utc,
    enterprises.requires_all_companions,
    enterprises.items_as_of_utc,
    orders.account_id,
    shown(orders.account_type) AS account_type,
    orders.booker_id,
    orders.state,
    coalesce(states.state_group, 'unknown') AS state_group,
    shown(orders.origin) AS origin,
    shown(orders.commander_origin) AS commander_origin,
    orders.business_segment_id,
    orders.voucher_id,
    orders.linked_reservation_id,
    bounded(orders.created_utc) AS created_at,
    bounded(orders.updated_utc) AS updated_at,
    orders.fetched_utc AS observed_at,
    CASE WHEN states.is_canceled THEN bounded(orders.cancelled_utc) END AS canceled_at,
    coalesce(states.is_firm, FALSE) AS is_firm,
    coalesce(states.is_checked_in, FALSE) AS is_checked_in,
    coalesce(states.is_canceled, FALSE) AS is_canceled,
    coalesce(states.is_open, FALSE) AS is_open,
    orders.owner_checked_in,
    orders.any_companion_checked_in,
    orders.all_companions_checked_in,
    orders.connector_check_in
FROM mews.product_service_orders AS orders
SEMI JOIN affected_orders AS affected
    ON affected.order_id = orders.id AND affected.enterprise_id = orders.enterprise_id
INNER JOIN affected_enterprises AS enterprises ON enterprises.enterprise_id = orders.enterprise_id
INNER JOIN mews.sync_state AS progress
    ON progress.scope_id = orders.service_id AND progress.enterprise_id = orders.enterprise_id
LEFT JOIN order_states AS states ON states.state = orders.state
WHERE
    progress.endpoint = 'product_service_orders'
    AND progress.watermark_utc IS NOT NULL
    AND orders.is_missing_from_source IS DISTINCT FROM TRUE;
