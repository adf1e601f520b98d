-- remade_orders: one row for each order of the batch whose facts are made again although those of its hotel are not: it
-- changed, or it is a cancellation that may have become a rebooking, or is none any more.
-- A cancellation takes the earliest order that none before it took (rebooked_orders), so one order that changes may move
-- all others of its account and service around it: cancellations and creations between which never more than 1 hour
-- lies, as they were and as they are.
-- Source: mews.changed_records, mews.product_service_orders, mart.fct_product_service_orders, batch_enterprises.
-- Reason for the enterprise_id beside each id: rows lie by hotel, and so only those of the batch are read.
CREATE OR REPLACE TEMP TABLE remade_orders AS
WITH changed AS (
    SELECT DISTINCT revised.id, services.enterprise_id
    FROM mews.changed_records AS revised
    INNER JOIN mews.sync_state AS services ON services.scope_id = revised.scope_id AND services.endpoint = revised.endpoint
    INNER JOIN batch_enterprises AS batch ON batch.enterprise_id = services.enterprise_id
    WHERE batch.is_revised AND revised.endpoint = 'product_service_orders'
),

as_they_are AS (
    SELECT
        orders.enterprise_id,
        orders.service_id,
        published_account_id(orders.account_id) AS account_id,
        CASE
            WHEN states.is_canceled THEN bounded(orders.cancelled_utc)
            WHEN states.is_open OR states.is_checked_in THEN bounded(orders.created_utc)
        END AS moment
    FROM mews.product_service_orders AS orders
    SEMI JOIN changed ON changed.id = orders.id AND changed.enterprise_id = orders.enterprise_id
    INNER JOIN order_states AS states ON states.state = orders.state
),

accounts AS (
    SELECT enterprise_id, service_id, account_id FROM as_they_are
    UNION
    SELECT facts.enterprise_id, facts.service_id, facts.account_id
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN changed ON changed.id = facts.order_id AND changed.enterprise_id = facts.enterprise_id
),

moments AS (
    SELECT
        facts.order_id,
        facts.enterprise_id,
        facts.service_id,
        facts.account_id,
        facts.is_canceled,
        CASE WHEN facts.is_open OR facts.is_checked_in THEN facts.created_at ELSE facts.canceled_at END AS moment,
        changed.id IS NOT NULL AS is_changed
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN accounts
        ON
            accounts.account_id = facts.account_id
            AND accounts.service_id = facts.service_id
            AND accounts.enterprise_id = facts.enterprise_id
    LEFT JOIN changed ON changed.id = facts.order_id AND changed.enterprise_id = facts.enterprise_id
    UNION ALL
    SELECT NULL, enterprise_id, service_id, account_id, FALSE, moment, TRUE
    FROM as_they_are
),

gaps AS (
    SELECT
        *,
        CAST(coalesce(moment - lag(moment) OVER (
            PARTITION BY enterprise_id, service_id, account_id ORDER BY moment
        ) > INTERVAL 1 HOUR, TRUE) AS INTEGER) AS begins
    FROM moments
    WHERE moment IS NOT NULL AND account_id IS NOT NULL
),

neighbours AS (
    SELECT
        *,
        sum(begins) OVER (PARTITION BY enterprise_id, service_id, account_id ORDER BY moment) AS neighbourhood
    FROM gaps
)

SELECT id AS order_id, enterprise_id FROM changed
UNION
SELECT order_id, enterprise_id
FROM (
    SELECT order_id, enterprise_id, is_canceled
    FROM neighbours
    QUALIFY bool_or(is_changed) OVER (PARTITION BY enterprise_id, service_id, account_id, neighbourhood)
) AS around_changes
WHERE is_canceled;
