-- order_values: one row for each affected order, or reservation, of which any item is known. Source: landed_items, which has all
-- items of an affected order.
-- Reason for no value of several currencies: nothing says how many of one are worth one of another.
--   consumed_at  of the last sale in any state: the items of a canceled order are canceled with it
CREATE OR REPLACE TEMP TABLE order_values AS
WITH orders AS (
    SELECT
        service_order_id AS order_id,
        enterprise_id,
        CASE
            WHEN count(DISTINCT currency) FILTER (WHERE item_kind <> 'other') = 1
                THEN any_value(currency) FILTER (WHERE item_kind <> 'other')
        END AS currency,
        coalesce(sum(gross_value) FILTER (WHERE item_kind <> 'other' AND is_counted), 0) AS gross_value,
        max(consumed_at) FILTER (WHERE item_kind = 'sale') AS consumed_at,
        coalesce(sum(quantity) FILTER (WHERE item_kind = 'sale' AND is_counted), 0) AS quantity
    FROM landed_items
    WHERE service_order_id IS NOT NULL
    GROUP BY service_order_id, enterprise_id
)

SELECT
    order_id,
    enterprise_id,
    currency,
    CASE WHEN currency IS NOT NULL THEN TRY_CAST(gross_value AS DECIMAL(18, 4)) END AS gross_value,
    consumed_at,
    TRY_CAST(quantity AS BIGINT) AS quantity
FROM orders;
