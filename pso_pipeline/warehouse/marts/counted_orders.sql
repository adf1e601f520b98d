-- counted_orders: one row for each order of the batch, with the columns that anything is counted by. Source: order_facts.
-- Reason: counting the rows that the same transaction has just written into mart.fct_product_service_orders takes three
-- to five times as long, on one core.
CREATE OR REPLACE TEMP TABLE counted_orders AS
SELECT
    orders.enterprise_id,
    orders.service_id,
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
    orders.owner_checked_in,
    orders.any_companion_checked_in,
    orders.all_companions_checked_in,
    orders.connector_check_in,
    orders.has_voucher,
    orders.is_linked,
    orders.canceled_after_check_in,
    orders.is_quick_cancel,
    orders.is_rebooked,
    stale.as_of_utc
FROM order_facts AS orders
INNER JOIN stale_enterprises AS stale ON stale.enterprise_id = orders.enterprise_id;
