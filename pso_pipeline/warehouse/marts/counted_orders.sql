-- counted_orders: one row for each order of the batch's stale enterprises, with the columns that anything is counted by.
-- Source: new_facts, batch_services.
-- Reason: counting the rows that the same transaction has just written into mart.fct_product_service_orders takes three
-- to five times as long, on one core.
CREATE OR REPLACE TEMP TABLE counted_orders AS
SELECT
    services.service,
    orders.origin,
    orders.account_type,
    orders.state,
    orders.state_group,
    orders.created_at,
    orders.canceled_at,
    orders.created_date,
    orders.canceled_date,
    orders.is_firm,
    orders.is_checked_in,
    orders.is_canceled,
    orders.is_online_checked_in,
    orders.owner_checked_in,
    orders.any_companion_checked_in,
    orders.all_companions_checked_in,
    orders.connector_check_in,
    orders.has_voucher,
    orders.is_linked,
    orders.canceled_after_check_in,
    orders.is_quick_cancel,
    orders.is_rebooked,
    orders.is_canceled_never_seen_confirmed,
    orders.is_canceled_while_pending,
    services.last_midnight_utc
FROM new_facts AS orders
INNER JOIN batch_services AS services ON services.service_id = orders.service_id
WHERE services.is_stale;
