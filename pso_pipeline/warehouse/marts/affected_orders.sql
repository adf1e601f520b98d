-- affected_orders: one row for each order of the batch whose facts are computed again: all orders of a hotel, or those that
-- landings noted, those of items that landings noted, those that became unresolved by time alone, and the orders around a
-- changed one. The ids of reservations are among them: items are computed with the order or reservation that they belong to.
-- Source: affected_enterprises, mews.changed_records, mews.sync_state, mews.product_service_orders, mews.order_items,
-- mart.fct_product_service_orders, mart.fct_order_state_changes, mart.fct_order_items.
-- Reason for the orders around it: a cancellation takes the earliest order that none before it took (rebooked_orders), so that
-- one change can affect all orders of its account and service around it: cancellations and creations between which never
-- more than 1 hour lies, as they were and as they are.
CREATE OR REPLACE TEMP TABLE affected_orders AS
WITH noted AS (
    SELECT records.endpoint, records.id, scopes.enterprise_id
    FROM mews.changed_records AS records
    INNER JOIN mews.sync_state AS scopes ON scopes.endpoint = records.endpoint AND scopes.scope_id = records.scope_id
    INNER JOIN affected_enterprises AS affected ON affected.enterprise_id = scopes.enterprise_id
    WHERE affected.are_some_orders_affected
),

noted_items AS (
    SELECT id AS item_id, enterprise_id FROM noted WHERE endpoint = 'order_items'
),

changed AS (
    SELECT id AS order_id, enterprise_id FROM noted WHERE endpoint = 'product_service_orders'
    UNION
    SELECT items.service_order_id, items.enterprise_id
    FROM mews.order_items AS items
    SEMI JOIN noted_items AS noted ON noted.item_id = items.id AND noted.enterprise_id = items.enterprise_id
    WHERE items.service_order_id IS NOT NULL
    UNION
    SELECT facts.service_order_id, facts.enterprise_id
    FROM mart.fct_order_items AS facts
    SEMI JOIN noted_items AS noted ON noted.item_id = facts.item_id AND noted.enterprise_id = facts.enterprise_id
    WHERE facts.service_order_id IS NOT NULL
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
    SEMI JOIN changed ON changed.order_id = orders.id AND changed.enterprise_id = orders.enterprise_id
    INNER JOIN order_states AS states ON states.state = orders.state
),

accounts AS (
    SELECT enterprise_id, service_id, account_id FROM as_they_are
    UNION
    SELECT facts.enterprise_id, facts.service_id, facts.account_id
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN changed ON changed.order_id = facts.order_id AND changed.enterprise_id = facts.enterprise_id
),

moments AS (
    SELECT
        facts.order_id,
        facts.enterprise_id,
        facts.service_id,
        facts.account_id,
        CASE WHEN facts.is_open OR facts.is_checked_in THEN facts.created_at ELSE facts.canceled_at END AS moment,
        changed.order_id IS NOT NULL AS is_changed
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN accounts
        ON
            accounts.account_id = facts.account_id
            AND accounts.service_id = facts.service_id
            AND accounts.enterprise_id = facts.enterprise_id
    LEFT JOIN changed ON changed.order_id = facts.order_id AND changed.enterprise_id = facts.enterprise_id
    UNION ALL
    SELECT NULL, enterprise_id, service_id, account_id, moment, TRUE
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

neighbors AS (
    SELECT
        *,
        sum(begins) OVER (PARTITION BY enterprise_id, service_id, account_id ORDER BY moment) AS neighborhood
    FROM gaps
),

around_changes AS (
    SELECT order_id, enterprise_id
    FROM neighbors
    QUALIFY bool_or(is_changed) OVER (PARTITION BY enterprise_id, service_id, account_id, neighborhood)
)

SELECT order_id, enterprise_id FROM changed
UNION
SELECT order_id, enterprise_id FROM around_changes WHERE order_id IS NOT NULL
UNION
SELECT facts.order_id, facts.enterprise_id
FROM mart.fct_product_service_orders AS facts
INNER JOIN (FROM affected_enterprises WHERE is_maturity_rollover) AS affected
    ON affected.enterprise_id = facts.enterprise_id
WHERE facts.is_unresolved <> is_unresolved_by(facts.state_group, facts.created_at, facts.consumed_at, affected.last_midnight_utc)
UNION
SELECT orders.id, orders.enterprise_id
FROM mews.product_service_orders AS orders
SEMI JOIN (FROM affected_enterprises WHERE are_all_orders_affected) AS affected
    ON affected.enterprise_id = orders.enterprise_id
UNION
SELECT facts.order_id, facts.enterprise_id
FROM mart.fct_product_service_orders AS facts
SEMI JOIN (FROM affected_enterprises WHERE are_all_orders_affected) AS affected
    ON affected.enterprise_id = facts.enterprise_id
UNION
SELECT changes.order_id, changes.enterprise_id
FROM mart.fct_order_state_changes AS changes
SEMI JOIN (FROM affected_enterprises WHERE are_all_orders_affected) AS affected
    ON affected.enterprise_id = changes.enterprise_id;
