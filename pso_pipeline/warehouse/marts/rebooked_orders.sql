-- rebooked_orders: one row for each canceled order of the batch whose account ordered the same service again at most
-- 1 hour before or after the cancellation.
-- Source: landed_orders, other_orders. Reason for the two-hour slots: joining on account and service alone would compare every
-- cancellation of a company with every order that it ever made.
CREATE OR REPLACE TEMP TABLE rebooked_orders AS
WITH windows AS (
    SELECT
        order_id,
        account_id,
        service_id,
        canceled_at - INTERVAL 1 HOUR AS earliest,
        canceled_at + INTERVAL 1 HOUR AS latest
    FROM landed_orders
    WHERE canceled_at IS NOT NULL AND account_id IS NOT NULL
),

slots AS (
    SELECT *, unnest(range(epoch_us(earliest) // 7_200_000_000, epoch_us(latest) // 7_200_000_000 + 1)) AS slot
    FROM windows
)

SELECT DISTINCT slots.order_id
FROM slots
SEMI JOIN other_orders AS others
    ON others.account_id = slots.account_id
    AND others.service_id = slots.service_id
    AND epoch_us(others.created_at) // 7_200_000_000 = slots.slot
    AND others.created_at BETWEEN slots.earliest AND slots.latest
    AND others.order_id <> slots.order_id;
