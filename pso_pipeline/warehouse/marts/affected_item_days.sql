-- affected_item_days: one row for each hotel and local day whose items are added up again: items changed that are consumed on it,
-- the day of items_as_of_utc passed over it, or all items of the hotel are affected.
-- Source: affected_enterprises, mart.agg_item_revenue_daily, what changes of mart.fct_order_items.
CREATE OR REPLACE TEMP TABLE affected_item_days AS
WITH facts AS (
    SELECT item_id, enterprise_id, consumed_date FROM stored_fct_order_items
    UNION ALL
    SELECT item_id, enterprise_id, consumed_date FROM new_fct_order_items
),

days AS (
    SELECT facts.enterprise_id, facts.consumed_date AS date
    FROM facts
    SEMI JOIN changed_fct_order_items AS changed
        ON changed.item_id = facts.item_id AND changed.enterprise_id = facts.enterprise_id
    UNION
    SELECT facts.enterprise_id, facts.consumed_date
    FROM facts
    SEMI JOIN (FROM affected_enterprises WHERE are_all_orders_affected) AS enterprises
        ON enterprises.enterprise_id = facts.enterprise_id
    UNION
    SELECT daily.enterprise_id, daily.date
    FROM mart.agg_item_revenue_daily AS daily
    SEMI JOIN (FROM affected_enterprises WHERE are_all_orders_affected) AS enterprises
        ON enterprises.enterprise_id = daily.enterprise_id
    UNION
    SELECT
        enterprise_id,
        CAST(
            unnest(
                generate_series(
                    least(previous_items_midnight_utc, items_midnight_utc) - INTERVAL 1 DAY,
                    greatest(previous_items_midnight_utc, items_midnight_utc) + INTERVAL 1 DAY,
                    INTERVAL 1 DAY
                )
            ) AS DATE
        )
    FROM affected_enterprises
    WHERE is_items_rollover
)

SELECT days.enterprise_id, days.date, enterprises.items_date, enterprises.items_midnight_utc
FROM days
INNER JOIN affected_enterprises AS enterprises ON enterprises.enterprise_id = days.enterprise_id;
