-- rebooking_pairs: one row for each affected canceled order and each order that may have replaced it: of the same account and
-- service, neither canceled nor unknown, created at most 1 hour before or after the cancellation. A company, or whoever
-- orders for a group, has one account for many guests: orders with different bookers, or linked to different reservations,
-- are those of different guests; where one of the two is not known, nobody can say so.
-- Source: landed_orders. Reason for the two-hour slots: joining on account and service alone would compare every cancellation
-- of a company with every order that it ever made.
CREATE OR REPLACE TEMP TABLE rebooking_pairs AS
WITH windows AS (
    SELECT
        order_id,
        account_id,
        service_id,
        booker_id,
        linked_reservation_id,
        canceled_at,
        canceled_at - INTERVAL 1 HOUR AS earliest,
        canceled_at + INTERVAL 1 HOUR AS latest
    FROM landed_orders
    WHERE canceled_at IS NOT NULL AND account_id IS NOT NULL
),

slots AS (
    SELECT *, unnest(range(epoch_us(earliest) // 7_200_000_000, epoch_us(latest) // 7_200_000_000 + 1)) AS slot
    FROM windows
)

SELECT slots.order_id, slots.canceled_at, others.order_id AS other_id, others.created_at
FROM slots
INNER JOIN landed_orders AS others
    ON others.account_id = slots.account_id
    AND others.service_id = slots.service_id
    AND epoch_us(others.created_at) // 7_200_000_000 = slots.slot
    AND others.created_at BETWEEN slots.earliest AND slots.latest
WHERE
    (others.is_open OR others.is_checked_in)
    AND coalesce(others.booker_id = slots.booker_id, TRUE)
    AND coalesce(others.linked_reservation_id = slots.linked_reservation_id, TRUE);
