-- state_changes: one row for each observed change of state of the affected orders that have had more than one version, their
-- first sight included. Source: landed_orders, mews.superseded_product_service_orders, in the order of updated_utc, then
-- observed_utc. What was seen of an order in another hotel, from which it moved, is left out.
-- Reason: most orders have had one version and need no order among versions.
CREATE OR REPLACE TEMP TABLE state_changes AS
WITH superseded AS (
    SELECT
        versions.id AS order_id,
        versions.enterprise_id,
        versions.service_id,
        versions.state,
        bounded(versions.updated_utc) AS changed_at,
        versions.observed_utc AS observed_at
    FROM mews.superseded_product_service_orders AS versions
    SEMI JOIN landed_orders AS orders
        ON orders.order_id = versions.id AND orders.enterprise_id = versions.enterprise_id
),

versions AS (
    SELECT * FROM superseded
    UNION ALL
    SELECT
        orders.order_id,
        orders.enterprise_id,
        orders.service_id,
        orders.state,
        orders.updated_at AS changed_at,
        orders.observed_at
    FROM landed_orders AS orders
    SEMI JOIN superseded ON superseded.order_id = orders.order_id AND superseded.enterprise_id = orders.enterprise_id
),

changes AS (
    SELECT
        order_id,
        enterprise_id,
        service_id,
        lag(state) OVER history AS from_state,
        state AS to_state,
        changed_at,
        observed_at,
        row_number() OVER history AS version_number
    FROM versions
    WINDOW history AS (PARTITION BY order_id ORDER BY changed_at, observed_at, state)
    QUALIFY version_number = 1 OR to_state IS DISTINCT FROM from_state
)

SELECT changes.*, enterprises.zone
FROM changes
INNER JOIN affected_enterprises AS enterprises ON enterprises.enterprise_id = changes.enterprise_id;
