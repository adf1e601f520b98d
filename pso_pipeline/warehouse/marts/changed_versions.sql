-- changed_versions: one row for each published table, and for each month of the large ones, that this transaction changes, with
-- its number. Source: what this transaction changes; $changed_tables names the tables that are published as a whole. The rows of
-- an order are in the month of its created_date, its changes of state too; an item is in that of its own. mart.rpt_orders changes
-- with its facts and with the names in it, mart.agg_changes with the counts and values of complete days, with each complete day and names,
-- mart.agg_pickup with each complete day, and with what had been observed or counted on one.
-- Reason for a number by the clock: a backup that is restored never gives a number again for another content.
CREATE OR REPLACE TEMP TABLE changed_versions AS
WITH months AS (
    SELECT order_id, CAST(date_trunc('month', created_date) AS DATE) AS created_month
    FROM stored_fct_product_service_orders
    UNION ALL
    SELECT order_id, CAST(date_trunc('month', created_date) AS DATE)
    FROM new_fct_product_service_orders
),

months_of_facts AS (
    SELECT DISTINCT months.created_month
    FROM months
    SEMI JOIN changed_fct_product_service_orders AS changed ON changed.order_id = months.order_id
),

months_of_items AS (
    SELECT DISTINCT CAST(date_trunc('month', items.created_date) AS DATE) AS created_month
    FROM (
        SELECT item_id, created_date FROM stored_fct_order_items
        UNION ALL
        SELECT item_id, created_date FROM new_fct_order_items
    ) AS items
    SEMI JOIN changed_fct_order_items AS changed ON changed.item_id = items.item_id
),

months_of_changes AS (
    SELECT DISTINCT months.created_month
    FROM months
    SEMI JOIN changed_fct_order_state_changes AS changed ON changed.order_id = months.order_id
),

renamed_enterprises AS (
    SELECT enterprise_id
    FROM (
        SELECT enterprise_id, enterprise_name, time_zone, chain_name, country_code, city FROM new_dim_enterprises
        UNION
        SELECT enterprise_id, enterprise_name, time_zone, chain_name, country_code, city FROM stored_dim_enterprises
    ) AS names
    GROUP BY enterprise_id
    HAVING count(*) > 1
        OR enterprise_id NOT IN (SELECT enterprise_id FROM stored_dim_enterprises)
        OR enterprise_id NOT IN (SELECT enterprise_id FROM new_dim_enterprises)
),

renamed_services AS (
    SELECT service_id
    FROM (
        SELECT service_id, service_name FROM new_dim_services
        UNION
        SELECT service_id, service_name FROM stored_dim_services
    ) AS names
    GROUP BY service_id
    HAVING count(*) > 1
        OR service_id NOT IN (SELECT service_id FROM stored_dim_services)
        OR service_id NOT IN (SELECT service_id FROM new_dim_services)
),

months_of_names AS (
    SELECT CAST(date_trunc('month', facts.created_date) AS DATE) AS created_month
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN renamed_enterprises AS renamed ON renamed.enterprise_id = facts.enterprise_id
    UNION
    SELECT CAST(date_trunc('month', facts.created_date) AS DATE)
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN renamed_services AS renamed ON renamed.service_id = facts.service_id
),

-- what changed depends on the counts, on the last complete day of each hotel, and on names
changed_days AS (
    SELECT enterprise_id
    FROM (
        SELECT enterprise_id, as_of_date FROM new_dim_enterprises
        UNION
        SELECT enterprise_id, as_of_date FROM stored_dim_enterprises
    ) AS days
    GROUP BY enterprise_id
    HAVING count(*) > 1
),

changed_values AS (
    SELECT items.enterprise_id
    FROM (
        SELECT item_id, service_order_id, enterprise_id, item_kind, is_canceled FROM stored_fct_order_items
        UNION ALL
        SELECT item_id, service_order_id, enterprise_id, item_kind, is_canceled FROM new_fct_order_items
    ) AS items
    SEMI JOIN changed_fct_order_items AS changed ON changed.item_id = items.item_id
    INNER JOIN new_fct_product_service_orders AS orders
        ON orders.order_id = items.service_order_id AND orders.enterprise_id = items.enterprise_id
    INNER JOIN new_dim_enterprises AS enterprises ON enterprises.enterprise_id = items.enterprise_id
    WHERE items.item_kind = 'sale' AND items.is_canceled AND orders.canceled_date <= enterprises.as_of_date
),

-- what was known on complete days depends on what was observed by then, and on where the orders count now
changed_observations AS (
    SELECT changes.enterprise_id
    FROM (
        SELECT order_id, changed_at, observed_at, observed_date, enterprise_id FROM stored_fct_order_state_changes
        UNION ALL
        SELECT order_id, changed_at, observed_at, observed_date, enterprise_id FROM new_fct_order_state_changes
    ) AS changes
    SEMI JOIN changed_fct_order_state_changes AS changed
        ON
            changed.order_id = changes.order_id
            AND changed.enterprise_id = changes.enterprise_id
            AND changed.changed_at = changes.changed_at
            AND changed.observed_at = changes.observed_at
    INNER JOIN new_dim_enterprises AS enterprises ON enterprises.enterprise_id = changes.enterprise_id
    WHERE changes.observed_date <= enterprises.as_of_date
),

moved_orders AS (
    SELECT order_id, enterprise_id, service_id, created_date FROM stored_fct_product_service_orders
    EXCEPT
    SELECT order_id, enterprise_id, service_id, created_date FROM new_fct_product_service_orders
),

changed AS (
    SELECT 'fct_product_service_orders' AS table_name, created_month FROM months_of_facts
    UNION
    SELECT 'fct_order_state_changes', created_month FROM months_of_facts
    UNION
    SELECT 'fct_order_state_changes', created_month FROM months_of_changes
    UNION
    SELECT 'fct_order_items', created_month FROM months_of_items
    UNION
    SELECT 'rpt_orders', created_month FROM months_of_facts
    UNION
    SELECT 'rpt_orders', created_month FROM months_of_names
    UNION
    SELECT unnest($changed_tables::VARCHAR[]), NULL
    UNION
    SELECT 'agg_changes', NULL
    WHERE
        EXISTS (
            SELECT 1
            FROM changed_agg_orders_daily AS counts
            INNER JOIN new_dim_enterprises AS enterprises ON enterprises.enterprise_id = counts.enterprise_id
            WHERE counts.date <= enterprises.as_of_date
        )
        OR EXISTS (FROM changed_values)
        OR EXISTS (FROM changed_days)
        OR EXISTS (FROM renamed_enterprises)
        OR EXISTS (FROM renamed_services)
    UNION
    SELECT 'agg_pickup', NULL
    WHERE EXISTS (FROM changed_days) OR EXISTS (FROM changed_observations) OR EXISTS (FROM moved_orders)
)

SELECT
    table_name,
    created_month,
    (
        SELECT greatest(coalesce(max(version), 0) + 1, epoch_us(now()))
        FROM internal.table_versions
    ) AS version
FROM changed;
