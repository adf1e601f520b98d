-- mart.fct_product_service_orders: one row for each order of a completely read service that the source still has; computed for
-- the affected orders. Source: landed_orders, state_changes, utc_offsets, rebooked_orders, order_values.
-- Reason: the one place where UTC becomes the hotel's own date. Every count is made from these rows.
--   was_confirmed               any observed version was firm and not canceled
--   was_canceled_while_pending  a pending version was followed by a canceled one, with no other between them
WITH histories AS (
    SELECT
        changes.order_id,
        bool_or(after_it.is_firm AND NOT after_it.is_canceled) AS was_confirmed,
        bool_or(before_it.state_group = 'pending' AND after_it.is_canceled) AS was_canceled_while_pending,
        min(changes.version_number) FILTER (WHERE after_it.is_checked_in) AS first_checked_in_version,
        arg_min(changes.observed_at, changes.version_number) FILTER (WHERE after_it.is_checked_in) AS first_checked_in_at
    FROM state_changes AS changes
    LEFT JOIN order_states AS before_it ON before_it.state = changes.from_state
    LEFT JOIN order_states AS after_it ON after_it.state = changes.to_state
    GROUP BY changes.order_id
)

SELECT
    orders.order_id,
    orders.order_number,
    orders.enterprise_id,
    orders.service_id,
    published_account_id(orders.account_id) AS account_id,
    orders.account_type,
    orders.state,
    orders.state_group,
    orders.origin,
    orders.commander_origin,
    orders.business_segment_id,
    orders.voucher_id,
    orders.linked_reservation_id,
    orders.created_at,
    orders.updated_at,
    orders.canceled_at,
    local_date(orders.created_at, creation.time_zone, creation.utc_offset) AS created_date,
    local_date(orders.canceled_at, cancellation.time_zone, cancellation.utc_offset) AS canceled_date,
    (epoch_us(orders.canceled_at) - epoch_us(orders.created_at)) / 3_600_000_000 AS hours_to_cancel,
    CASE WHEN histories.first_checked_in_version > 1 THEN histories.first_checked_in_at END AS first_seen_checked_in_at,
    orders.is_firm,
    orders.is_checked_in,
    orders.is_canceled,
    orders.is_open,
    is_unresolved_by(orders.state_group, orders.created_at, worth.consumed_at, orders.last_midnight_utc) AS is_unresolved,
    CASE
        WHEN orders.requires_all_companions THEN coalesce(orders.all_companions_checked_in, FALSE)
        ELSE coalesce(
            orders.owner_checked_in OR orders.any_companion_checked_in OR orders.all_companions_checked_in, FALSE
        )
    END AS is_online_checked_in,
    orders.owner_checked_in,
    orders.any_companion_checked_in,
    orders.all_companions_checked_in,
    orders.connector_check_in,
    orders.voucher_id IS NOT NULL AS has_voucher,
    orders.linked_reservation_id IS NOT NULL AS is_linked,
    orders.is_canceled AND coalesce(orders.owner_checked_in OR orders.any_companion_checked_in, FALSE)
        AS canceled_after_check_in,
    coalesce(orders.canceled_at <= orders.created_at + INTERVAL 1 HOUR, FALSE) AS is_quick_cancel,
    rebooked_orders.order_id IS NOT NULL AS is_rebooked,
    orders.is_canceled AND NOT coalesce(histories.was_confirmed, FALSE) AS is_canceled_never_seen_confirmed,
    is_canceled_never_seen_confirmed AND coalesce(histories.was_canceled_while_pending, FALSE)
        AS is_canceled_while_pending,
    worth.gross_value,
    worth.currency,
    worth.consumed_at,
    worth.quantity,
    CASE WHEN orders.items_as_of_utc IS NOT NULL THEN worth.order_id IS NOT NULL END AS has_items
FROM landed_orders AS orders
LEFT JOIN utc_offsets AS creation
    ON creation.zone = orders.zone AND creation.utc_date = CAST(orders.created_at AS DATE)
LEFT JOIN utc_offsets AS cancellation
    ON cancellation.zone = orders.zone AND cancellation.utc_date = CAST(orders.canceled_at AS DATE)
LEFT JOIN histories ON histories.order_id = orders.order_id
LEFT JOIN rebooked_orders ON rebooked_orders.order_id = orders.order_id
LEFT JOIN order_values AS worth ON worth.order_id = orders.order_id AND worth.enterprise_id = orders.enterprise_id
