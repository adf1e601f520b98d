-- counted_items: one row for each item that counts on an affected day, or in what is consumed ahead in a hotel that has one.
-- Source: the new facts of the affected items; of the others mart.fct_order_items; affected_item_days.
-- Reason: both tables of items are computed from one reading of the facts.
--   is_on_affected_day  whether its day is added up again
CREATE OR REPLACE TEMP TABLE counted_items AS
WITH hotels AS (
    SELECT DISTINCT enterprise_id, items_date, items_midnight_utc FROM affected_item_days
),

unaffected AS (
    SELECT facts.*
    FROM mart.fct_order_items AS facts
    SEMI JOIN hotels ON hotels.enterprise_id = facts.enterprise_id
    ANTI JOIN affected_items AS affected
        ON affected.item_id = facts.item_id AND affected.enterprise_id = facts.enterprise_id
),

facts AS (
    SELECT * FROM unaffected
    UNION ALL BY NAME
    SELECT * FROM new_fct_order_items
)

SELECT
    facts.enterprise_id,
    facts.service_id,
    facts.product_id,
    facts.currency,
    facts.consumed_date,
    facts.created_date,
    facts.canceled_date,
    facts.item_kind,
    facts.is_canceled,
    facts.is_counted,
    facts.order_link,
    facts.quantity,
    facts.gross_value,
    facts.net_value,
    facts.consumed_at < hotels.items_midnight_utc AS is_consumed,
    hotels.items_date,
    days.date IS NOT NULL AS is_on_affected_day
FROM facts
INNER JOIN hotels ON hotels.enterprise_id = facts.enterprise_id
LEFT JOIN affected_item_days AS days
    ON days.enterprise_id = facts.enterprise_id AND days.date = facts.consumed_date
WHERE
    days.date IS NOT NULL
    OR facts.consumed_date BETWEEN hotels.items_date - 365 AND hotels.items_date + 30;
