-- order_facts: one row for each order of the batch, with the columns of mart.fct_product_service_orders.
-- Source: landed_orders, utc_offsets, confirmations, first_check_ins, rebooked_orders.
-- Reason: the one place where UTC becomes the hotel's own date; the facts and what is counted are both made from here.
CREATE OR REPLACE TEMP VIEW order_facts AS
SELECT
    orders.* EXCLUDE (booker_id, zone, last_midnight_utc, requires_all_companions, observed_at)
        REPLACE (published_account_id(orders.account_id) AS account_id),
    local_date(orders.created_at, creation.time_zone, creation.utc_offset) AS created_date,
    local_date(orders.canceled_at, cancellation.time_zone, cancellation.utc_offset) AS canceled_date,
    (epoch_us(orders.canceled_at) - epoch_us(orders.created_at)) / 3_600_000_000 AS hours_to_cancel,
    first_check_ins.first_seen_checked_in_at,
    is_unresolved_by(orders.state_group, orders.created_at, orders.last_midnight_utc) AS is_unresolved,
    CASE
        WHEN orders.requires_all_companions THEN coalesce(orders.all_companions_checked_in, FALSE)
        ELSE coalesce(
            orders.owner_checked_in OR orders.any_companion_checked_in OR orders.all_companions_checked_in, FALSE
        )
    END AS is_online_checked_in,
    orders.voucher_id IS NOT NULL AS has_voucher,
    orders.linked_reservation_id IS NOT NULL AS is_linked,
    orders.is_canceled AND coalesce(orders.owner_checked_in OR orders.any_companion_checked_in, FALSE)
        AS canceled_after_check_in,
    coalesce(orders.canceled_at <= orders.created_at + INTERVAL 1 HOUR, FALSE) AS is_quick_cancel,
    rebooked_orders.order_id IS NOT NULL AS is_rebooked,
    orders.is_canceled AND NOT coalesce(confirmations.was_confirmed, FALSE) AS is_canceled_never_seen_confirmed,
    is_canceled_never_seen_confirmed AND coalesce(confirmations.was_canceled_while_pending, FALSE)
        AS is_canceled_while_pending
FROM landed_orders AS orders
LEFT JOIN utc_offsets AS creation
    ON creation.zone = orders.zone AND creation.utc_date = CAST(orders.created_at AS DATE)
LEFT JOIN utc_offsets AS cancellation
    ON cancellation.zone = orders.zone AND cancellation.utc_date = CAST(orders.canceled_at AS DATE)
LEFT JOIN confirmations ON confirmations.order_id = orders.order_id
LEFT JOIN first_check_ins ON first_check_ins.order_id = orders.order_id
LEFT JOIN rebooked_orders ON rebooked_orders.order_id = orders.order_id;
